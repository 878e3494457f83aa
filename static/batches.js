/** Batches, in the monitor: a file of requests is sent, and each batch tells how far it is. */

import { address, cancelBatch, createBatch, listBatches } from './api.js';
import { byId, el, setText } from './dom.js';

const AGAIN_MS = 2000;

/** @typedef {{id: string, status: string, created_at: number, total: number, counts: Record<string, number>, results: string}} Batch */

export class Batches {
  /**
   * @param {import('./i18n.js').Language} language
   * @param {(error: unknown) => void} onfail
   */
  constructor(language, onfail) {
    this.language = language;
    this.onfail = onfail;
    this.list = byId('batches', HTMLUListElement);
    this.file = byId('batch-file', HTMLInputElement);
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {Batch[]} */
    this.batches = [];
    this.clock = 0;
    this.file.addEventListener('change', () => this.#send().catch(onfail));
  }

  /** Start watching. */
  async show() {
    this.hide();
    this.clock = setInterval(() => this.#ask().catch(() => {}), AGAIN_MS); // the page tells of a lost server elsewhere
    await this.#ask();
  }

  /** Stop watching. */
  hide() {
    clearInterval(this.clock);
  }

  async #send() {
    const file = this.file.files?.[0];
    this.file.value = ''; // the same again is a new choice
    if (!file) return;
    await createBatch(file);
    await this.#ask();
  }

  async #ask() {
    this.batches = (await listBatches()).data;
    this.draw();
  }

  /** Write everything anew, in the present language. */
  draw() {
    const ids = new Set(this.batches.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.remove();
      this.rows.delete(id);
    }
    for (const batch of [...this.batches].reverse()) this.#write(batch);
  }

  /** @param {Batch} batch */
  #write(batch) {
    const t = this.language.t.bind(this.language);
    const row = this.rows.get(batch.id) ?? this.#add(batch);
    const running = batch.status === 'in_progress';
    const [status, words, actions] = /** @type {HTMLElement[]} */ ([...row.children]);
    const [title, about] = /** @type {HTMLElement[]} */ ([...words.children]);
    const [results, cancel] = /** @type {HTMLElement[]} */ ([...actions.children]);
    row.dataset.status = running ? 'in_progress' : 'completed';
    setText(status, t(running ? 'status.in_progress' : 'status.completed'));
    setText(title, t('batches.made', { made: batch.counts.completed, total: batch.total }));
    const told = Object.entries(batch.counts).filter(([kind, count]) => count && kind !== 'completed');
    const counts = told.map(([kind, count]) => `${t(kind === 'forgotten' ? 'batches.forgotten' : `status.${kind}`)} ${count}`);
    setText(about, [this.language.moment(batch.created_at), ...counts].join(' · '));
    setText(results, t('batches.results'));
    setText(cancel, t('action.cancel'));
    cancel.hidden = !running;
  }

  /** @param {Batch} batch */
  #add({ id, results }) {
    const cancel = el('button', { class: 'quiet', type: 'button' });
    cancel.addEventListener('click', () => cancelBatch(id).then(() => this.#ask()).catch(this.onfail));
    const link = el('a', { class: 'quiet button', href: address(results), download: `${id}.jsonl` });
    const words = el('div', { class: 'job-words' }, el('p', { class: 'job-title' }), el('p', { class: 'note' }));
    const row = el('li', { class: 'job card', 'data-batch': id }, el('span', { class: 'pill' }), words, el('div', { class: 'actions' }, link, cancel));
    this.rows.set(id, row);
    this.list.prepend(row);
    return row;
  }
}
