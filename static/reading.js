/** How the text will be read, before anything is made of it; and words that are to be said otherwise. */

import { previewSpeech } from './api.js';
import { byId, el } from './dom.js';
import { Notice } from './notice.js';

const STORED = 'lipstream.readings';
/** After the last key, so long is waited before the server is asked. */
const PAUSE_MS = 500;
/** Characters of the text that are shown read. */
const MOST = 2000;

export class Reading {
  /**
   * @param {import('./i18n.js').Language} language
   * @param {() => {text: string, language: string}} wanted
   */
  constructor(language, wanted) {
    this.wanted = wanted;
    this.root = byId('reading', HTMLDetailsElement);
    this.own = byId('readings', HTMLTextAreaElement);
    this.list = byId('reading-list', HTMLOListElement);
    this.notice = new Notice(byId('reading-problem', HTMLElement), language);
    this.timer = 0;
    this.asked = 0;
    try {
      this.own.value = localStorage.getItem(STORED) ?? '';
    } catch {
      // Storage is switched off: then nothing is remembered.
    }
    this.root.addEventListener('toggle', () => this.look());
    this.own.addEventListener('input', () => this.look());
    this.own.addEventListener('change', () => {
      try {
        localStorage.setItem(STORED, this.own.value);
      } catch {
        // As above.
      }
    });
  }

  /** Lines such as "iPhone = 爱疯", as requests take them. */
  get lines() {
    return this.own.value.split('\n').map((line) => line.trim()).filter(Boolean);
  }

  /** @param {Record<string, string> | undefined} readings of an earlier request */
  restore(readings) {
    if (readings) this.own.value = Object.entries(readings).map(([word, said]) => `${word} = ${said}`).join('\n');
    this.look();
  }

  /** The text has changed, or the language: read it anew, soon. */
  look() {
    clearTimeout(this.timer);
    if (this.root.open) this.timer = setTimeout(() => this.#ask(), PAUSE_MS);
  }

  async #ask() {
    const { text, language } = this.wanted();
    const asked = (this.asked += 1);
    if (!text.trim()) return this.list.replaceChildren();
    try {
      const lines = this.lines;
      const { data } = await previewSpeech({ text: text.slice(0, MOST), language, ...(lines.length && { readings: lines }) });
      if (asked !== this.asked) return; // the visitor has written on
      this.notice.say('');
      this.list.replaceChildren(...data.map((/** @type {{spoken: string, language: string, actions: string[]}} */ { spoken, language: tongue, actions }) =>
        el('li', { lang: tongue }, spoken, ...actions.map((name) => el('span', { class: 'pill' }, name)))));
    } catch (error) {
      if (asked === this.asked) this.notice.fail(error);
    }
  }
}
