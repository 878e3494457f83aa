/** The monitor view: every job of the server, live, over one socket. */

import { cancelJob, getJob, listJobs } from './api.js';
import { byId, el, setText } from './dom.js';
import { Job, STAGES } from './job.js';

/** More jobs than this are not shown: the oldest go first. */
const MOST_ROWS = 200;

/** @typedef {{root: HTMLLIElement, status: HTMLElement, title: HTMLElement, about: HTMLElement, bars: Map<string, HTMLElement>, bar: HTMLElement, figures: HTMLElement, open: HTMLAnchorElement, cancel: HTMLButtonElement, error: HTMLElement}} Row */

export class Monitor {
  /** @param {import('./composer.js').Context} context */
  constructor({ feed, language }) {
    this.feed = feed;
    this.language = language;
    this.list = byId('jobs', HTMLUListElement);
    /** @type {Map<string, {job: Job, row: Row}>} */
    this.jobs = new Map();
    this.unwatch = () => {};
    this.loaded = false;
  }

  /** Start watching. */
  async show() {
    this.unwatch();
    this.unwatch = this.feed.watch('*', (message) => this.#hear(message));
    for (const state of (await listJobs()).data) this.#load(state);
    this.loaded = true;
    this.draw();
  }

  /** Stop watching. */
  hide() {
    this.unwatch();
    this.unwatch = () => {};
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
    while (this.jobs.size > MOST_ROWS && this.list.lastElementChild instanceof HTMLElement) {
      this.jobs.delete(this.list.lastElementChild.dataset.job ?? '');
      this.list.lastElementChild.remove();
    }
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
    const row = this.#row(job);
    this.jobs.set(id, { job, row });
    this.list.prepend(row.root);
    return job;
  }

  /** @param {Job} job @returns {Row} */
  #row(job) {
    const bars = new Map(STAGES.map((name) => [name, el('span', { class: 'mini' })]));
    const parts = {
      status: el('span', { class: 'pill' }),
      title: el('p', { class: 'job-title' }),
      about: el('p', { class: 'note' }),
      bar: el('div', { class: 'minis', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, ...bars.values()),
      figures: el('p', { class: 'job-figures' }),
      error: el('p', { class: 'job-error' }),
      open: el('a', { class: 'quiet button', href: `#/job/${encodeURIComponent(job.id)}` }),
      cancel: el('button', { class: 'quiet', type: 'button', onclick: () => cancelJob(job.id).catch(() => this.show()) }),
    };
    const words = el('div', { class: 'job-words' }, parts.title, parts.about, parts.error);
    const actions = el('div', { class: 'actions' }, parts.cancel, parts.open);
    const root = el('li', { class: 'job card', 'data-job': job.id }, parts.status, words, parts.bar, parts.figures, actions);
    return { root, bars, ...parts };
  }

  /** Write everything anew, in the present language. */
  draw() {
    for (const id of this.jobs.keys()) this.#write(id);
    this.#count();
  }

  /** @param {string} id */
  #write(id) {
    const { job, row } = this.#entry(id);
    const { language } = this;
    const t = language.t.bind(language);
    const title = job.title || t('monitor.untitled');
    row.root.dataset.status = job.status;
    setText(row.status, t(`status.${job.status}`));
    setText(row.title, title);
    const name = job.template === 'sample' ? t('template.sample') : job.template;
    const about = [name && t('monitor.template', { name }), job.createdAt && language.clock(job.createdAt)];
    setText(row.about, about.filter(Boolean).join(' · '));
    setText(row.error, (job.error ?? job.publication?.error)?.message ?? '');
    row.bar.setAttribute('aria-label', title);
    row.bar.setAttribute('aria-valuenow', String(Math.round(job.progress * 100)));
    for (const [name, bar] of row.bars) this.#mini(job, name, bar);
    setText(row.figures, this.#figures(job));
    setText(row.open, t('action.open'));
    row.open.hidden = !job.playable;
    row.open.setAttribute('aria-label', `${t('action.open')}: ${title}`);
    setText(row.cancel, t('action.cancel'));
    row.cancel.hidden = job.over;
    row.cancel.setAttribute('aria-label', `${t('action.cancel')}: ${title}`);
  }

  /** @param {Job} job @param {string} name @param {HTMLElement} bar */
  #mini(job, name, bar) {
    const { state, done, total } = job.stage(name);
    bar.hidden = !job.has(name);
    const share = state === 'finished' ? 1 : total ? done / total : 0;
    bar.dataset.state = state;
    bar.title = `${this.language.t(`lane.${name}`)}: ${this.language.t(`state.${state}`)}`;
    bar.style.setProperty('--share', String(Math.min(1, share)));
  }

  /** @param {Job} job @returns {string} */
  #figures(job) {
    const { language } = this;
    const speed = job.metrics?.rtf ? 1 / job.metrics.rtf : job.speed('encode');
    const parts = [
      job.status === 'in_progress' ? language.percent(job.progress) : '',
      job.duration ? language.seconds(job.duration) : '',
      speed ? language.times(speed) : '',
    ];
    return parts.filter(Boolean).join(' · ');
  }

  #count() {
    const all = [...this.jobs.values()].map(({ job }) => job);
    const queued = all.filter(({ status }) => status === 'queued').length;
    const running = all.filter(({ status }) => status === 'in_progress').length;
    const over = all.length - queued - running;
    setText(byId('counts', HTMLElement), all.length ? this.language.t('monitor.counts', { running, queued, over }) : '');
    byId('monitor-empty', HTMLElement).hidden = !this.loaded || all.length > 0;
  }
}
