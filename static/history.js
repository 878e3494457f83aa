/** What was made before, to be opened again: beside the stage, as long as there is room. */

import { listJobs } from './api.js';
import { byId, el } from './dom.js';
import { Job } from './job.js';

const MOST = 6;

export class History {
  /** @param {import('./i18n.js').Language} language */
  constructor(language) {
    this.language = language;
    this.root = byId('history', HTMLElement);
    this.list = byId('history-list', HTMLUListElement);
    /** @type {Job[]} newest first */
    this.jobs = [];
  }

  /** Ask the server what there is. */
  async load() {
    const page = await listJobs();
    const made = page.data.filter((/** @type {Record<string, any>} */ { object, status }) => object === 'video' && status === 'completed');
    this.jobs = made.slice(0, MOST).map((/** @type {Record<string, any>} */ state) => {
      const job = new Job(state.id);
      job.load(state);
      return job;
    });
    this.draw();
  }

  /** Write everything anew, in the present language. */
  draw() {
    const { language } = this;
    this.root.hidden = !this.jobs.length;
    const rows = this.jobs.map((job) => {
      const facts = [job.duration ? language.seconds(job.duration) : '', language.moment(job.createdAt)];
      const title = el('span', { class: 'history-title' }, job.title || language.t('monitor.untitled'));
      const about = el('span', { class: 'note' }, facts.filter(Boolean).join(' · '));
      return el('li', {}, el('a', { href: `#/job/${encodeURIComponent(job.id)}` }, title, about));
    });
    this.list.replaceChildren(...rows);
  }
}
