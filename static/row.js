/** A job as a row of the monitor: what it is, how far it has got, what can be done with it. */

import { address, cancelJob, deleteJob, outputPath } from './api.js';
import { el, icon, setText } from './dom.js';
import { STAGES } from './job.js';

/** A second press within this time means it. */
const SURE_MS = 4000;

export class Row {
  /**
   * @param {import('./job.js').Job} job
   * @param {import('./i18n.js').Language} language
   * @param {Map<string, string>} faces pictures of presenters, by their id
   * @param {{ongone: () => void, onfail: (error: unknown) => void}} listeners ongone: it has been deleted
   */
  constructor(job, language, faces, { ongone, onfail }) {
    this.job = job;
    this.language = language;
    this.faces = faces;
    this.bars = new Map(STAGES.map((name) => [name, el('span', { class: 'mini' })]));
    this.status = el('span', { class: 'pill' });
    this.title = el('p', { class: 'job-title' });
    this.about = el('p', { class: 'note' });
    this.error = el('p', { class: 'job-error' });
    this.figures = el('p', { class: 'job-figures' });
    this.bar = el('div', { class: 'minis', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, ...this.bars.values());
    this.open = el('a', { class: 'quiet button', href: `#/job/${encodeURIComponent(job.id)}` });
    this.file = el('a', { class: 'quiet button' }, icon('down'));
    this.cancel = el('button', { class: 'quiet', type: 'button', onclick: () => cancelJob(job.id).catch(onfail) });
    this.remove = el('button', { class: 'quiet', type: 'button' }, icon('close'));
    this.remove.addEventListener('blur', () => this.#calm());
    this.remove.addEventListener('click', () => {
      if (this.remove.dataset.sure) return deleteJob(job.id).then(ongone, onfail);
      this.remove.dataset.sure = job.id;
      setTimeout(() => this.#calm(), SURE_MS);
      this.draw();
    });
    this.picture = el('span', { class: 'job-picture' });
    const words = el('div', { class: 'job-words' }, this.title, this.about, this.error);
    const actions = el('div', { class: 'actions' }, this.cancel, this.open, this.file, this.remove);
    this.root = el('li', { class: 'job card', 'data-job': job.id }, this.picture, this.status, words, this.bar, this.figures, actions);
  }

  /** Write everything anew, in the present language. */
  draw() {
    const { job, language } = this;
    const t = language.t.bind(language);
    const title = job.title || t('monitor.untitled');
    this.root.dataset.status = job.status;
    setText(this.status, t(`status.${job.status}`));
    setText(this.title, title);
    this.title.title = title;
    const name = job.template === 'sample' ? t('template.sample') : job.template;
    const about = [t(`kind.${job.object}`), name && t('monitor.template', { name }), job.createdAt && language.moment(job.createdAt)];
    setText(this.about, about.filter(Boolean).join(' · '));
    setText(this.error, (job.error ?? job.publication?.error)?.message ?? '');
    this.#progress(title);
    setText(this.figures, this.#said());
    this.#actions(title);
    this.#picture();
  }

  /** @param {string} title */
  #progress(title) {
    const { job } = this;
    this.bar.setAttribute('aria-label', title);
    this.bar.setAttribute('aria-valuenow', String(Math.round(job.progress * 100)));
    for (const [name, bar] of this.bars) {
      const { state, done, total } = job.stage(name);
      bar.hidden = !job.has(name);
      const share = state === 'finished' ? 1 : total ? done / total : 0;
      bar.dataset.state = state;
      bar.title = `${this.language.t(`lane.${name}`)}: ${this.language.t(`state.${state}`)}`;
      bar.style.setProperty('--share', String(Math.min(1, share)));
    }
  }

  /** @param {string} title */
  #actions(title) {
    const { job, language } = this;
    const t = language.t.bind(language);
    const video = job.status === 'completed' && job.outputs.find(({ kind }) => kind === 'video');
    setText(this.open, t('action.open'));
    this.open.hidden = !job.playable;
    this.open.setAttribute('aria-label', `${t('action.open')}: ${title}`);
    setText(this.cancel, t('action.cancel'));
    this.cancel.hidden = job.over;
    this.cancel.setAttribute('aria-label', `${t('action.cancel')}: ${title}`);
    this.file.hidden = !video;
    if (video) {
      this.file.href = address(outputPath(job.id, video.name));
      this.file.download = job.fileName;
    }
    label(this.file, `${t('action.video', { format: job.format.toUpperCase() })}: ${title}`);
    this.remove.hidden = !job.over;
    this.remove.classList.toggle('danger', Boolean(this.remove.dataset.sure));
    label(this.remove, `${t(this.remove.dataset.sure ? 'action.deleteSure' : 'action.delete')}: ${title}`);
    if (this.remove.dataset.sure) this.remove.replaceChildren(t('action.deleteSure'));
    else if (!this.remove.querySelector('svg')) this.remove.replaceChildren(icon('close'));
  }

  /** The presenter, small; a new one once it is there. */
  #picture() {
    const src = this.faces.get(this.job.template) ?? '';
    if (this.picture.dataset.src === src) return;
    this.picture.dataset.src = src;
    const blank = icon('person');
    if (!src) return this.picture.replaceChildren(blank);
    const image = el('img', { src, alt: '', loading: 'lazy', onerror: () => image.replaceWith(blank) });
    this.picture.replaceChildren(image);
  }

  #calm() {
    if (!this.remove.dataset.sure) return;
    delete this.remove.dataset.sure;
    this.draw();
  }

  /** @returns {string} */
  #said() {
    const { job, language } = this;
    const speed = job.metrics?.rtf ? 1 / job.metrics.rtf : job.speed('encode');
    const parts = [
      job.status === 'in_progress' ? language.percent(job.progress) : '',
      job.duration ? language.seconds(job.duration) : '',
      speed ? language.times(speed) : '',
    ];
    return parts.filter(Boolean).join(' · ');
  }
}

/** @param {HTMLElement} element that shows an icon only @param {string} text */
function label(element, text) {
  element.setAttribute('aria-label', text);
  element.title = text;
}
