/** The monitor view: every job of the server, live, over one socket. */

import { address, getJob, listJobs, listTemplates } from './api.js';
import { Batches } from './batches.js';
import { byId, setText } from './dom.js';
import { Job } from './job.js';
import { RunningSessions } from './live/running.js';
import { Nodes } from './nodes.js';
import { Notice } from './notice.js';
import { Row } from './row.js';

/** More jobs than this are not shown, but where older ones were asked for. */
const MOST_ROWS = 200;

export class Monitor {
  /** @param {import('./composer.js').Context} context */
  constructor({ feed, language }) {
    this.feed = feed;
    this.language = language;
    this.list = byId('jobs', HTMLUListElement);
    this.words = byId('find', HTMLInputElement);
    this.which = byId('find-status', HTMLSelectElement);
    this.older = byId('monitor-older', HTMLButtonElement);
    this.notice = new Notice(byId('monitor-problem', HTMLElement), language);
    this.sessions = new RunningSessions(language, (error) => this.notice.fail(error));
    this.nodes = new Nodes(language);
    this.batches = new Batches(language, (error) => this.notice.fail(error));
    /** @type {Map<string, {job: Job, row: Row}>} */
    this.jobs = new Map();
    /** Pictures of presenters, by their id. @type {Map<string, string>} */
    this.faces = new Map();
    this.unwatch = () => {};
    this.loaded = false;
    this.most = MOST_ROWS;
    for (const field of [this.words, this.which]) field.addEventListener('input', () => this.#sift());
    this.older.addEventListener('click', () => this.#olderOnes().catch((error) => this.notice.fail(error)));
  }

  /** Start watching. */
  async show() {
    this.unwatch();
    this.unwatch = this.feed.watch('*', (message) => this.#hear(message));
    const beside = [this.sessions, this.nodes, this.batches].map((part) => part.show());
    const [page, templates] = await Promise.all([listJobs(), listTemplates(), ...beside]);
    for (const { id, thumbnail } of templates.data) if (thumbnail) this.faces.set(id, address(thumbnail));
    this.older.hidden = !page.has_more;
    for (const state of page.data) this.#load(state);
    this.loaded = true;
    this.draw();
  }

  /** Stop watching. */
  hide() {
    this.sessions.hide();
    this.nodes.hide();
    this.batches.hide();
    this.unwatch();
    this.unwatch = () => {};
  }

  async #olderOnes() {
    const last = this.list.lastElementChild;
    if (!(last instanceof HTMLElement) || !last.dataset.job) return;
    const page = await listJobs(last.dataset.job);
    this.most += page.data.length;
    this.older.hidden = !page.has_more;
    for (const state of page.data) this.#load(state);
  }

  /** @param {import('./job.js').Message} message */
  #hear(message) {
    const id = /** @type {string} */ (message.job_id);
    const stranger = !this.jobs.has(id);
    this.#job(id).apply(message);
    if (message.type === 'job.snapshot') this.#place(id);
    // Its first event says nothing of what was asked for.
    else if (stranger) getJob(id).then((state) => this.#load(state), () => {});
    this.#write(id);
    this.#count();
  }

  /** @param {Record<string, any>} state */
  #load(state) {
    this.#job(state.id).load(state);
    this.#place(state.id);
    this.#write(state.id);
    this.#count();
  }

  /** Newest first; what we have not been told the age of is newest. @param {string} id */
  #place(id) {
    const { job, row } = this.#entry(id);
    const age = (/** @type {Element} */ other) => this.#entry(/** @type {HTMLElement} */ (other).dataset.job ?? '').job.createdAt;
    const next = [...this.list.children].find((other) => other !== row.root && age(other) < job.createdAt);
    if (row.root.nextElementSibling !== (next ?? null)) this.list.insertBefore(row.root, next ?? null);
    while (this.jobs.size > this.most && this.list.lastElementChild instanceof HTMLElement) {
      this.#drop(this.list.lastElementChild.dataset.job ?? '');
    }
  }

  /** @param {string} id */
  #drop(id) {
    this.#entry(id).row.root.remove();
    this.jobs.delete(id);
  }

  /** @param {string} id */
  #entry(id) {
    return /** @type {{job: Job, row: Row}} */ (this.jobs.get(id));
  }

  /** @param {string} id @returns {Job} */
  #job(id) {
    const known = this.jobs.get(id);
    if (known) return known.job;
    const job = new Job(id);
    const row = new Row(job, this.language, this.faces, {
      ongone: () => {
        this.#drop(id);
        this.#count();
      },
      onfail: (error) => this.notice.fail(error),
    });
    this.jobs.set(id, { job, row });
    this.list.prepend(row.root);
    return job;
  }

  /** Write everything anew, in the present language. */
  draw() {
    for (const id of this.jobs.keys()) this.#write(id);
    this.sessions.draw();
    this.nodes.draw();
    this.batches.draw();
    this.notice.draw();
    this.#count();
  }

  /** @param {string} id */
  #write(id) {
    const { row } = this.#entry(id);
    row.draw();
    row.root.hidden = !this.#wanted(id);
  }

  /** Show the jobs that are looked for. */
  #sift() {
    for (const [id, { row }] of this.jobs) row.root.hidden = !this.#wanted(id);
    this.#count();
  }

  /** @param {string} id */
  #wanted(id) {
    const { job } = this.#entry(id);
    const words = `${job.title} ${job.template} ${job.id}`.toLowerCase();
    return (!this.which.value || this.which.value === job.status) && words.includes(this.words.value.trim().toLowerCase());
  }

  #count() {
    const all = [...this.jobs.values()].map(({ job }) => job);
    const queued = all.filter(({ status }) => status === 'queued').length;
    const running = all.filter(({ status }) => status === 'in_progress').length;
    const over = all.length - queued - running;
    setText(byId('counts', HTMLElement), all.length ? this.language.t('monitor.counts', { running, queued, over }) : '');
    const empty = byId('monitor-empty', HTMLElement);
    empty.hidden = !this.loaded || all.some(({ id }) => !this.#entry(id).row.root.hidden);
    setText(empty, this.language.t(all.length ? 'monitor.none' : 'monitor.empty'));
  }
}
