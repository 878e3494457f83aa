/** The interface in the reader's language. The texts are in texts/. */

import { TEXTS as en } from './texts/en.js';
import { TEXTS as zh } from './texts/zh.js';

/** @typedef {'en' | 'zh'} Tongue */

const STORED = 'lipstream.language';

/** @type {Record<Tongue, Record<string, string>>} */
const TEXTS = { en, zh };

/** @returns {Tongue} what was chosen before, else what the browser is set to */
function preferred() {
  let stored = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage is switched off: then nothing is remembered.
  }
  if (stored === 'en' || stored === 'zh') return stored;
  const first = navigator.languages?.find((tag) => /^(zh|en)\b/i.test(tag)) ?? navigator.language;
  return /^zh\b/i.test(first) ? 'zh' : 'en';
}

export class Language {
  constructor() {
    this.tongue = preferred();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  /**
   * The text of this name, with `{name}`s filled in; the name itself if there is no such text.
   * @param {string} name
   * @param {Record<string, string | number>} [values]
   */
  t(name, values = {}) {
    const text = TEXTS[this.tongue][name] ?? name;
    return text.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
  }

  /** @param {string} name */
  knows(name) {
    return name in TEXTS[this.tongue];
  }

  /** @param {number} value @param {number} [digits] */
  number(value, digits = 0) {
    return new Intl.NumberFormat(this.tongue, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
      value,
    );
  }

  /** @param {number} value */
  seconds(value) {
    return this.t('unit.s', { value: this.number(value, value < 100 ? 1 : 0) });
  }

  /** @param {number} value milliseconds */
  milliseconds(value) {
    return value < 10_000 ? this.t('unit.ms', { value: this.number(value) }) : this.seconds(value / 1000);
  }

  /** @param {number} value 5.25 becomes 5.3×, and 0.031 0.03×: nothing is made at 0.0× */
  times(value) {
    return this.t('fact.times', { value: this.number(value, value < 20 ? (value < 0.1 ? 2 : 1) : 0) });
  }

  /** @param {number} share 0 to 1 */
  percent(share) {
    return new Intl.NumberFormat(this.tongue, { style: 'percent' }).format(share);
  }

  /** A share in steps of ten: what is read aloud at every change. @param {number} share 0 to 1 */
  tens(share) {
    return this.percent(Math.floor(share * 10 + 1e-9) / 10);
  }

  /** The time of day; of another day, its date too. @param {number} unix seconds */
  moment(unix) {
    const then = new Date(unix * 1000);
    const today = then.toDateString() === new Date().toDateString();
    const shown = /** @type {const} */ (today ? { timeStyle: 'medium' } : { dateStyle: 'medium', timeStyle: 'short' });
    return new Intl.DateTimeFormat(this.tongue, shown).format(then);
  }

  /** Change to the other language, remember it, and have everybody write their texts anew. */
  toggle() {
    this.tongue = this.tongue === 'zh' ? 'en' : 'zh';
    try {
      localStorage.setItem(STORED, this.tongue);
    } catch {
      // Storage is switched off: then it holds until the page is closed.
    }
    this.apply();
    for (const listener of this.listeners) listener();
  }

  /** Fill in the fixed texts: `data-text="name"`; `data-label` for an accessible name, `data-placeholder` for a hint. */
  apply() {
    document.documentElement.lang = this.tongue === 'zh' ? 'zh-CN' : 'en';
    document.title = this.t('app.title');
    for (const element of document.querySelectorAll('[data-text]')) {
      element.textContent = this.t(/** @type {HTMLElement} */ (element).dataset.text ?? '');
    }
    for (const element of document.querySelectorAll('[data-label]')) {
      element.setAttribute('aria-label', this.t(/** @type {HTMLElement} */ (element).dataset.label ?? ''));
    }
    for (const element of document.querySelectorAll('[data-placeholder]')) {
      element.setAttribute('placeholder', this.t(/** @type {HTMLElement} */ (element).dataset.placeholder ?? ''));
    }
  }
}
