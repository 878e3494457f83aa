/** What is said in a live session, as lines: what has been heard, the word that sounds, what is still to come. */

import { el } from '../dom.js';

/** Lines that are kept. */
const MOST = 200;

/** @typedef {{from: number, to: number, start: number, end: number}} Word a word's place in its line, and its time in the video */
/** @typedef {{text: string, words: Word[], cut: boolean, over: boolean, root: HTMLLIElement, shown: string}} Said */

export class Transcript {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    /** @type {Map<number, Said>} by utterance */
    this.said = new Map();
  }

  clear() {
    this.said.clear();
    this.root.replaceChildren();
  }

  /** @param {number} utterance @param {string} text what is known to be in it */
  add(utterance, text) {
    const known = this.said.get(utterance);
    if (known) {
      if (text) known.text = text;
      return;
    }
    const root = el('li', {});
    this.said.set(utterance, { text, words: [], cut: false, over: false, root, shown: '' });
    this.root.append(root);
    const [oldest] = this.said.keys();
    if (this.said.size > MOST) {
      this.said.get(oldest)?.root.remove();
      this.said.delete(oldest);
    }
    this.draw(0);
    this.root.scrollTop = this.root.scrollHeight;
  }

  /** @param {{utterance: number, text: string, start_s: number, end_s: number}} word */
  word({ utterance, text, start_s: start, end_s: end }) {
    this.add(utterance, '');
    const said = /** @type {Said} */ (this.said.get(utterance));
    const after = said.words.at(-1)?.to ?? 0;
    let from = said.text.indexOf(text, after);
    if (from < 0) {
      // Given by another client: the words are all that is known of it.
      if (after !== said.text.length) return;
      said.text += (said.text && /\w$/.test(said.text) ? ' ' : '') + text;
      from = said.text.length - text.length;
    }
    said.words.push({ from, to: from + text.length, start, end });
  }

  /** @param {{utterance: number, interrupted: boolean, text_spoken?: string}} end */
  end({ utterance, interrupted }) {
    const said = this.said.get(utterance);
    if (!said) return;
    said.over = true;
    said.cut = interrupted;
  }

  /** @param {number} now the video's time, in seconds */
  draw(now) {
    for (const said of this.said.values()) {
      const heard = said.words.filter(({ start }) => start <= now);
      const last = heard.at(-1);
      const done = said.over && !said.cut && heard.length === said.words.length && (!last || last.end <= now);
      const sounding = last && now < last.end ? last : null;
      const to = done ? said.text.length : (last?.to ?? 0);
      const from = sounding ? sounding.from : to;
      const shown = `${said.text}\n${from}\n${to}\n${said.cut}`;
      if (shown === said.shown) continue;
      said.shown = shown;
      said.root.classList.toggle('cut', said.cut);
      said.root.replaceChildren(
        said.text.slice(0, from),
        ...(sounding ? [el('mark', {}, said.text.slice(from, to))] : []),
        el('span', { class: 'unheard' }, said.text.slice(to)),
      );
    }
  }
}
