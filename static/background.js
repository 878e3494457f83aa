/** Give the chosen presenter another background: a prompt or a picture goes in, a preview comes, then a new presenter. */

import { address, cancelJob, createBackground } from './api.js';
import { byId, setText } from './dom.js';
import { Job } from './job.js';
import { Notice } from './notice.js';

/** How far out of focus the background is, if it is to be. */
const BLUR = 0.4;

/** @typedef {import('./composer.js').Context} Context */

export class Background {
  /**
   * @param {Context} context
   * @param {{chosen: () => string, onmade: (id: string) => void}} listeners chosen: the presenter that is meant
   */
  constructor({ feed, language }, { chosen, onmade }) {
    this.feed = feed;
    this.language = language;
    this.chosen = chosen;
    this.onmade = onmade;
    this.prompt = byId('background-prompt', HTMLInputElement);
    this.file = byId('background-file', HTMLInputElement);
    this.fit = byId('background-fit', HTMLSelectElement);
    this.blur = byId('background-blur', HTMLInputElement);
    this.notice = new Notice(byId('background-note', HTMLElement), language);
    this.still = byId('background-still', HTMLImageElement);
    this.button = byId('background-make', HTMLButtonElement);
    this.stop = byId('background-stop', HTMLButtonElement);
    /** @type {Job | null} */
    this.job = null;
    /** The server is being asked: a second press would ask again. */
    this.sending = false;
    this.button.addEventListener('click', () => this.#make());
    this.stop.addEventListener('click', () => this.#cancel());
    this.prompt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
      event.preventDefault(); // it stands in the form that speaks
      this.#make();
    });
    this.prompt.addEventListener('input', () => {
      if (this.prompt.value) this.file.value = '';
      this.draw();
    });
    this.file.addEventListener('change', () => {
      if (this.file.files?.length) this.prompt.value = '';
      this.draw();
    });
  }

  /** Write everything anew, in the present language. */
  draw() {
    const { language } = this;
    const busy = this.sending || Boolean(this.job && !this.job.over);
    const file = this.file.files?.[0];
    setText(byId('background-name', HTMLElement), file ? file.name : '');
    this.button.setAttribute('aria-disabled', String(busy));
    this.stop.hidden = !this.job || this.job.over;
    this.still.alt = language.t('background.preview');
    this.notice.draw();
  }

  async #make() {
    if (this.sending || (this.job && !this.job.over)) return;
    const prompt = this.prompt.value.trim();
    const image = this.file.files?.[0];
    if (!prompt && !image) return this.notice.say('background.empty');
    this.sending = true;
    this.still.hidden = true;
    this.notice.say('background.making', { percent: this.language.percent(0) });
    const request = { ...(image ? {} : { prompt }), fit: this.fit.value, blur: this.blur.checked ? BLUR : 0 };
    try {
      this.#follow(await createBackground(this.chosen(), request, image));
    } catch (error) {
      this.notice.fail(error);
    } finally {
      this.sending = false;
      this.draw();
    }
  }

  /** @param {Record<string, any>} state */
  #follow(state) {
    const job = new Job(state.id);
    job.load(state);
    this.job = job;
    const stop = this.feed.watch(job.id, (message) => {
      job.apply(message);
      if (message.type === 'preview.frame') this.#show(message.data);
      if (!job.over) return this.notice.say('background.making', { percent: this.language.tens(job.progress) });
      stop();
      if (job.status === 'completed') {
        this.notice.say('background.ready');
        this.onmade(job.template);
      } else {
        this.still.hidden = true;
        if (job.error) this.notice.fail(job.error);
        else this.notice.say('background.cancelled');
      }
    });
  }

  /** @param {{url: string, width: number, height: number}} frame */
  #show({ url, width, height }) {
    this.still.width = width;
    this.still.height = height;
    this.still.src = address(url);
    this.still.hidden = false;
  }

  async #cancel() {
    try {
      if (this.job && !this.job.over) await cancelJob(this.job.id);
    } catch (error) {
      this.notice.fail(error);
    }
  }
}
