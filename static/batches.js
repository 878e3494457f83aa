/** Batches, in the monitor: a file of requests is sent, and each batch tells how far it is. */

import { address, cancelBatch, createBatch, listBatches } from './api.js';
import { byId, el, setText } from './dom.js';
import { WatchedList } from './watched.js';

/** @typedef {{id: string, status: string, created_at: number, total: number, counts: Record<string, number>, results: string}} Batch */
/** @typedef {{root: HTMLElement, status: HTMLElement, title: HTMLElement, about: HTMLElement, results: HTMLElement, cancel: HTMLElement}} BatchRow */

/** @extends {WatchedList<Batch, BatchRow>} */
export class Batches extends WatchedList {
  /**
   * @param {import('./i18n.js').Language} language
   * @param {(error: unknown) => void} onfail
   */
  constructor(language, onfail) {
    super(byId('batches', HTMLUListElement), language);
    this.onfail = onfail;
    this.file = byId('batch-file', HTMLInputElement);
    this.file.addEventListener('change', () => this.#send().catch(onfail));
  }

  async #send() {
    const file = this.file.files?.[0];
    this.file.value = ''; // the same again is a new choice
    if (!file) return;
    await createBatch(file);
    await this.ask();
  }

  /** @returns {Promise<Batch[]>} */
  async load() {
    return (await listBatches()).data; // the newest first
  }

  /** @param {Batch} batch @returns {BatchRow} */
  add({ id, results }) {
    const row = {
      root: el('li', { class: 'job session card', 'data-batch': id }),
      status: el('span', { class: 'pill' }),
      title: el('p', { class: 'job-title' }),
      about: el('p', { class: 'note' }),
      results: el('a', { class: 'quiet button', href: address(results), download: `${id}.jsonl` }),
      cancel: el('button', { class: 'quiet', type: 'button' }),
    };
    row.cancel.addEventListener('click', () => cancelBatch(id).then(() => this.ask()).catch(this.onfail));
    row.root.append(row.status, el('div', { class: 'job-words' }, row.title, row.about), el('div', { class: 'actions' }, row.results, row.cancel));
    return row;
  }

  /** @param {BatchRow} row @param {Batch} batch */
  write({ root, status, title, about, results, cancel }, batch) {
    const t = this.language.t.bind(this.language);
    const running = batch.status === 'in_progress';
    const { completed, failed } = batch.counts;
    const ended = !failed ? 'status.completed' : completed ? 'batches.partly' : 'status.failed';
    root.dataset.status = running ? 'in_progress' : failed ? 'failed' : 'completed';
    setText(status, t(running ? 'status.in_progress' : ended));
    setText(title, t('batches.made', { made: batch.counts.completed, total: batch.total }));
    const told = Object.entries(batch.counts).filter(([kind, count]) => count && kind !== 'completed');
    const counts = told.map(([kind, count]) => `${t(kind === 'forgotten' ? 'batches.forgotten' : `status.${kind}`)} ${count}`);
    setText(about, [this.language.moment(batch.created_at), ...counts].join(' · '));
    setText(results, t('batches.results'));
    setText(cancel, t('action.cancel'));
    cancel.hidden = !running;
  }
}
