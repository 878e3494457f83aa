/** Choose the presenter; add one (upload, then preparation as a job), rename or remove one. */

import { address, findFaces, listTemplates, removeTemplate, renameTemplate, uploadTemplate } from './api.js';
import { el, icon, setText } from './dom.js';
import { chooseFace } from './faces.js';
import { Job } from './job.js';
import { Notice } from './notice.js';

/** The drawn presenter, which the server makes itself; it cannot be removed. */
const SAMPLE = 'sample';
/** A second press within this time means it. */
const SURE_MS = 4000;
/** Until a new server has drawn the sample, it is asked so often. */
const SAMPLE_MS = 1500;
/** Bytes of a video that may be sent twice, once to see who is in it. Of a larger one the most prominent person speaks. */
const ASK_BYTES = 64 << 20;

/** @typedef {{id: string, name: string, width: number, height: number, duration_s: number, thumbnail?: string | null, warnings?: string[]}} Template */

export class Picker {
  /**
   * @param {{root: HTMLElement, faces: HTMLElement, note: HTMLElement, rename: HTMLButtonElement, remove: HTMLButtonElement}} parts
   * @param {{feed: import('./feed.js').Feed, language: import('./i18n.js').Language}} context
   * @param {(template: Template | null) => void} onchange
   */
  constructor({ root, faces, note, rename, remove }, { feed, language }, onchange) {
    this.root = root;
    this.faces = faces;
    this.notice = new Notice(note, language);
    this.rename = rename;
    this.remove = remove;
    this.drawn = false;
    this.feed = feed;
    this.language = language;
    this.onchange = onchange;
    /** @type {Template[]} */
    this.templates = [];
    this.chosen = '';
    /** When to ask again for the sample, which a new server draws first. */
    this.later = 0;
    rename.addEventListener('click', () => this.#rename());
    remove.addEventListener('click', () => this.#remove());
    remove.addEventListener('blur', () => this.#calm());
    root.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement && event.target.name === 'template') this.choose(event.target.value);
    });
  }

  /** The template that is chosen, if there is any. */
  get template() {
    return this.templates.find(({ id }) => id === this.chosen) ?? null;
  }

  /** Ask the server what there is. */
  async load() {
    const before = JSON.stringify(this.templates);
    this.templates = (await listTemplates()).data;
    clearTimeout(this.later);
    if (!this.#hasSample) this.later = setTimeout(() => this.load().catch(() => {}), SAMPLE_MS);
    if (this.drawn && JSON.stringify(this.templates) === before) return; // the keyboard's focus stays where it is
    if (!this.template) this.chosen = this.templates[0]?.id ?? '';
    this.draw();
    this.onchange(this.template);
  }

  /** @param {string} id */
  choose(id) {
    if (!this.templates.some((template) => template.id === id)) return;
    this.chosen = id;
    const input = this.root.querySelector(`input[value="${CSS.escape(id)}"]`);
    if (input instanceof HTMLInputElement) {
      input.checked = true;
      this.#reveal(input);
    }
    this.#calm();
    this.onchange(this.template);
  }

  /** Scroll the strip, and nothing else, to a card outside of it. @param {HTMLElement} input */
  #reveal(input) {
    const card = input.getBoundingClientRect();
    const strip = this.root.getBoundingClientRect();
    if (card.top < strip.top) this.root.scrollTop += card.top - strip.top;
    else if (card.bottom > strip.bottom) this.root.scrollTop += card.bottom - strip.bottom;
  }

  /** Write everything anew, in the present language. */
  draw() {
    const cards = this.templates.map((template) => this.#card(template));
    // First, where it is seen however many there are.
    this.root.replaceChildren(this.#adder(), ...cards);
    this.#calm();
    this.drawn = true;
    const { notice } = this;
    if (!this.#hasSample && !notice.shown) notice.say('template.warming');
    if (this.#hasSample && notice.name === 'template.warming') notice.say('');
    notice.draw();
  }

  /** Without it the server is new, and about to draw it. */
  get #hasSample() {
    return this.templates.some(({ id }) => id === SAMPLE);
  }

  /** @param {Template} template */
  #card(template) {
    const { id, thumbnail } = template;
    const name = this.#name(template);
    const input = el('input', { type: 'radio', name: 'template', value: id, checked: id === this.chosen });
    const blank = el('span', { class: 'blank' }, icon('person'));
    const picture = thumbnail ? el('img', { src: address(thumbnail), alt: '', loading: 'lazy' }) : blank;
    picture.addEventListener('error', () => picture.replaceWith(blank));
    return el('label', { class: 'person', title: name }, input, picture, el('span', { class: 'person-name' }, name));
  }

  /** @param {Template} template @returns {string} */
  #name({ id, name }) {
    return id === SAMPLE ? this.language.t('template.sample') : name;
  }

  #adder() {
    const t = this.language.t.bind(this.language);
    const input = el('input', {
      type: 'file',
      accept: 'video/*,image/png,image/jpeg,image/webp',
      'aria-label': t('template.addHint'),
      onchange: () => input.files?.[0] && this.#add(input.files[0]),
    });
    const face = el('span', { class: 'blank' }, icon('plus'));
    return el('label', { class: 'person add', title: t('template.addHint') }, input, face,
      el('span', { class: 'person-name' }, t('template.add')));
  }

  /** @param {File} file */
  async #add(file) {
    const { name } = file;
    /** Once all has been sent, the server looks at it. @param {string} then what it does */
    const sending = (then) => (/** @type {number} */ share) =>
      this.notice.say(share < 1 ? 'template.uploading' : then, { name, percent: this.language.tens(share) });
    try {
      const face = await this.#whose(file, sending('template.looking'));
      const state = await uploadTemplate(file, face, sending('template.checking'));
      const job = await this.#prepared(state, name);
      if (job.error) return this.notice.fail(job.error);
      await this.load();
      this.choose(job.template);
      const warnings = this.template?.warnings?.join(' ');
      this.notice.say(warnings ? 'template.warned' : 'template.ready', { name, warnings: warnings ?? '' });
    } catch (error) {
      this.notice.fail(error);
    }
  }

  /**
   * Whose face is meant: asked, where there are several.
   * @param {File} file @param {(share: number) => void} sending
   */
  async #whose(file, sending) {
    if (file.size > ASK_BYTES) return 'auto';
    const people = await findFaces(file, sending);
    if (people.data.length < 2) return 'auto';
    this.notice.say('faces.title');
    return chooseFace(this.faces, people, this.language);
  }

  /**
   * Wait for a preparation, telling how far it is.
   * @param {Record<string, any>} state @param {string} name
   * @returns {Promise<Job>}
   */
  #prepared(state, name) {
    const job = new Job(state.id);
    job.load(state);
    return new Promise((resolve) => {
      const stop = this.feed.watch(job.id, (message) => {
        job.apply(message);
        this.notice.say('template.preparing', { name, percent: this.language.tens(job.progress) });
        if (!job.over) return;
        stop();
        resolve(job);
      });
    });
  }

  async #rename() {
    const { template } = this;
    if (!template) return;
    const name = prompt(this.language.t('template.newName'), template.name);
    if (name === null || name === template.name) return;
    try {
      await renameTemplate(template.id, name);
      await this.load();
    } catch (error) {
      this.notice.fail(error);
    }
  }

  async #remove() {
    const { template, remove } = this;
    if (!template) return;
    if (remove.dataset.sure !== template.id) {
      remove.dataset.sure = template.id;
      setText(remove, this.language.t('template.removeSure', { name: this.#name(template) }));
      setTimeout(() => this.#calm(), SURE_MS);
      return;
    }
    try {
      await removeTemplate(template.id);
      await this.load();
    } catch (error) {
      this.notice.fail(error);
    }
  }

  #calm() {
    const { template, rename, remove } = this;
    delete remove.dataset.sure;
    rename.hidden = remove.hidden = !template || template.id === SAMPLE;
    setText(rename, this.language.t('template.rename'));
    setText(remove, this.language.t('template.remove', { name: template ? this.#name(template) : '' }));
  }
}
