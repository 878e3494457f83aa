/** A line that says how something goes, or what went wrong with it; it follows the reader's language. */

import { el, icon } from './dom.js';
import { explain } from './errors.js';

export class Notice {
  /**
   * @param {HTMLElement} root what is read aloud when it changes (`role="status"` or `role="alert"`)
   * @param {import('./i18n.js').Language} language
   */
  constructor(root, language) {
    this.root = root;
    this.language = language;
    this.name = '';
    /** @type {Record<string, string | number>} */
    this.values = {};
    /** @type {unknown} */
    this.error = null;
    this.shown = '';
  }

  /** @param {string} name of a text; empty for nothing @param {Record<string, string | number>} [values] */
  say(name, values = {}) {
    this.name = name;
    this.values = values;
    this.error = null;
    this.draw();
  }

  /** @param {unknown} error what was thrown, or what an event says of a failure */
  fail(error) {
    this.name = '';
    this.error = error;
    this.draw();
  }

  /** Write it anew, in the present language; what is the same already is not read aloud again. */
  draw() {
    const { title, detail } = this.error ? explain(this.language, this.error) : { title: '', detail: '' };
    const text = this.name ? this.language.t(this.name, this.values) : '';
    const shown = [text, title, detail].join('\n');
    if (shown === this.shown) return;
    this.shown = shown;
    this.root.classList.toggle('bad', Boolean(this.error));
    this.root.hidden = !text && !this.error;
    if (!this.error) return this.root.replaceChildren(text);
    const words = el('span', {}, title && el('strong', {}, title), title && detail ? ' ' : null, detail);
    this.root.replaceChildren(icon('alert'), words);
  }
}
