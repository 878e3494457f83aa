/** The create view: a request goes in, its job is shown and played from first event to last. */

import {
  ApiError, address, cancelJob, getJob, linkOf, outputPath, streamPath, subtitlesPath,
} from './api.js';
import { Captions } from './captions.js';
import { Composer } from './composer.js';
import { byId, el, icon, setText } from './dom.js';
import { explain } from './errors.js';
import { History } from './history.js';
import { Job } from './job.js';
import { Lanes } from './lanes.js';
import { Player } from './player.js';

/** Steps whose name is not that of the engine's kind.
 * @type {Record<string, string>}
 */
const LANE_OF = { speech: 'tts', face: 'faces' };

/** Seconds of waiting beyond which their number says nothing. */
const LONG_WAIT_S = 600;

/** @typedef {import('./composer.js').Context} Context */

export class Studio {
  /**
   * @param {Context} context
   * @param {(id: string) => void} onjob a job has been made: remember it in the address
   */
  constructor(context, onjob) {
    this.feed = context.feed;
    this.language = context.language;
    this.onjob = onjob;
    this.video = byId('video', HTMLVideoElement);
    this.screen = byId('screen', HTMLElement);
    this.captions = new Captions(this.video);
    this.lanes = new Lanes(byId('lanes', HTMLElement), context.language);
    this.history = new History(context.language);
    this.player = new Player(this.video, context.feed, () => this.draw());
    context.feed.listeners.add(() => this.draw());
    this.composer = new Composer(context, {
      onspeak: (send, recorded) => this.speak(send, recorded),
      ontemplate: (template) => this.#poster(template),
    });
    /** @type {Job | null} */
    this.job = null;
    this.sending = false;
    /** @type {number | null} share of a recording that has been sent */
    this.sent = null;
    /** The job whose link has been copied. */
    this.shared = '';
    this.gone = false;
    this.unwatch = () => {};
    /** Counts what the visitor has opened: an answer that comes late is of no use any more. */
    this.visit = 0;
    this.drawing = 0;
    byId('cancel', HTMLButtonElement).addEventListener('click', () => this.cancel());
    byId('share', HTMLButtonElement).addEventListener('click', () => this.#share());
    byId('start', HTMLButtonElement).addEventListener('click', () => this.player.play());
    this.video.addEventListener('timeupdate', () => this.draw());
    this.#follow();
    this.draw();
  }

  /**
   * Make a video and play it.
   * @param {import('./composer.js').Send} send
   * @param {number | null} [recorded] seconds of the recording it speaks, if there is no text
   */
  async speak(send, recorded = null) {
    this.#leave();
    this.sending = true;
    this.sent = null;
    this.player.prepare();
    this.draw();
    const sending = (/** @type {number} */ share) => {
      this.sent = share;
      this.draw();
    };
    try {
      const state = await send(sending);
      this.sending = false;
      this.onjob(state.id);
      this.#show(state, recorded);
      this.player.follow(state.id);
      if (matchMedia('(max-width: 56rem)').matches) this.screen.scrollIntoView({ block: 'start' });
    } catch (error) {
      this.sending = false;
      this.player.stop();
      this.composer.complain(error instanceof ApiError ? error : new ApiError(0, { message: String(error) }));
    }
    this.draw();
  }

  /**
   * Bring back a job that this page, or another, has started.
   * @param {string} id
   */
  async open(id) {
    if (id === this.job?.id) return;
    this.#leave();
    const visit = this.visit;
    try {
      const state = await getJob(id);
      if (visit !== this.visit) return; // the visitor has gone on to another
      if (state.request && state.object === 'video') this.composer.restore(state.request);
      this.#show(state);
    } catch (error) {
      if (visit !== this.visit) return;
      this.gone = error instanceof ApiError && error.status === 404;
      if (!this.gone) this.composer.complain(error instanceof ApiError ? error : new ApiError(0, { message: String(error) }));
      return this.draw();
    }
    const job = /** @type {Job} */ (this.job);
    if (job.status === 'completed') return this.player.load(this.#playable(job));
    if (job.over) return;
    this.player.prepare();
    this.player.follow(id);
  }

  /** Back on this view: with the job that was on stage, if there was one. */
  show() {
    if (this.job) this.onjob(this.job.id);
  }

  /** Another view is shown: a video nobody sees should not be heard. */
  hide() {
    this.player.pause();
  }

  async cancel() {
    if (!this.job || this.job.over) return;
    try {
      await cancelJob(this.job.id);
    } catch (error) {
      this.composer.complain(error instanceof ApiError ? error : new ApiError(0, { message: String(error) }));
    }
  }

  #leave() {
    this.visit += 1;
    this.unwatch();
    this.unwatch = () => {};
    this.job = null;
    this.gone = false;
    this.captions.clear();
    this.composer.complain(null);
  }

  /** @param {Record<string, any>} state @param {number | null} [recorded] seconds of the recording it speaks */
  #show(state, recorded = null) {
    const job = new Job(state.id);
    job.load(state);
    job.recorded = recorded;
    this.job = job;
    this.unwatch();
    this.unwatch = this.feed.watch(job.id, (message) => this.#hear(job, message));
    this.draw();
  }

  /** @param {Job} job @param {import('./job.js').Message} message */
  #hear(job, message) {
    job.apply(message);
    if (message.type === 'subtitle.cue') this.captions.add([message.data]);
    if (message.type === 'video.init') this.#shape(message.data);
    if (['video.init', 'job.progress', 'job.completed'].includes(message.type)) this.player.progress(job);
    if (message.type === 'job.completed') {
      this.player.completed(this.#playable(job));
      this.history.load().catch(() => {});
    }
    if (message.type === 'job.failed' || message.type === 'job.cancelled') this.player.cut();
    this.draw();
  }

  /** The server's own copy: the page may load nothing from elsewhere. @param {Job} job @param {string} [kind] */
  #file(job, kind = 'video') {
    const output = job.outputs.find((one) => one.kind === kind);
    return output ? address(outputPath(job.id, output.name)) : '';
  }

  /** What of a finished job a browser plays: no browser knows ProRes, but what grew before it plays still. @param {Job} job */
  #playable(job) {
    const output = job.outputs.find(({ kind }) => kind === 'video');
    return output?.name.endsWith('.mov') ? address(streamPath(job.id)) : this.#file(job);
  }

  /** @param {{width: number, height: number}} picture */
  #shape({ width, height }) {
    if (width && height) this.screen.style.setProperty('--ratio', String(width / height));
  }

  /** @param {import('./picker.js').Template | null} template */
  #poster(template) {
    if (this.job && !this.job.over) return;
    if (template?.thumbnail) this.video.poster = address(template.thumbnail);
    else this.video.removeAttribute('poster');
    if (template && !this.job) this.#shape(template);
  }

  /** Keep the playhead moving while the video plays. */
  #follow() {
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const step = () => {
      if (this.video.paused || still.matches) return; // `timeupdate` goes on, four times a second
      this.lanes.move(this.video.currentTime);
      requestAnimationFrame(step);
    };
    this.video.addEventListener('playing', step);
  }

  /** Show what is so now; many changes at once are drawn once. */
  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.#draw();
    });
  }

  #draw() {
    const { job, player } = this;
    const phase = player.phase;
    this.composer.lock(this.sending || Boolean(job && !job.over));
    this.screen.dataset.phase = phase;
    this.video.controls = phase !== 'idle';
    this.screen.toggleAttribute('data-alpha', Boolean(job?.alpha));
    this.composer.sending(this.sending);
    setText(byId('status', HTMLElement), this.#status(phase));
    document.title = job && !job.over ? `${this.language.percent(job.progress)} · Lipstream` : this.language.t('app.title');
    byId('status', HTMLElement).dataset.tone = job?.status ?? 'idle';
    byId('start', HTMLButtonElement).hidden = phase !== 'blocked';
    byId('cancel', HTMLButtonElement).hidden = !job || job.over;
    this.#downloads(job);
    this.#failure(job);
    // Before there is a job they would be empty.
    byId('facts', HTMLElement).hidden = byId('lanes-card', HTMLElement).hidden = !job;
    this.#facts(job);
    this.lanes.draw(job, this.video.currentTime, Math.max(0, player.ahead));
    this.#engines(job);
  }

  /** @param {Job | null} job */
  #engines(job) {
    const { language } = this;
    const parts = Object.entries(job?.engines ?? {}).map(([kind, name]) => {
      const lane = `lane.${LANE_OF[kind] ?? kind}`;
      return `${language.knows(lane) ? language.t(lane) : kind} ${name}`;
    });
    setText(byId('engines', HTMLElement), parts.length ? language.t('lanes.engines', { engines: parts.join(' · ') }) : '');
  }

  /** @param {import('./player.js').Phase} phase @returns {string} */
  #status(phase) {
    const { job, language, player } = this;
    const t = language.t.bind(language);
    if (this.gone) return t('failed.gone');
    if (this.sending && this.sent !== null) return t('phase.sendingSound', { percent: language.percent(this.sent) });
    if (this.sending) return t('phase.sending');
    if (!job) return t('phase.idle');
    if (job.status === 'failed') return t('phase.failed');
    if (job.status === 'cancelled') return t(phase === 'playing' ? 'phase.cancelledPlaying' : 'phase.cancelled');
    if (job.status !== 'completed' && ['silent', 'waiting'].includes(this.feed.link)) return t('phase.interrupted');
    if (phase === 'failed') return t(job.status === 'completed' ? 'phase.unplayable' : 'phase.unseen');
    if (phase === 'blocked') return t('phase.blocked');
    if (phase === 'holding') {
      const { wait, rate } = player;
      if (wait !== null && wait < 1 && !player.pace.stalls) return t('phase.first'); // gone before it could be read
      if (!wait || !rate || !player.duration) return t('phase.holdingUnknown');
      if (wait > LONG_WAIT_S) return t('phase.holdingLong', { rate: language.times(rate) });
      // In steps: this is read aloud at every change.
      const step = wait > 10 ? 5 : wait > 4 ? 2 : 1;
      const seconds = t('unit.s', { value: step * Math.ceil(wait / step) });
      return t('phase.holding', { rate: language.times(rate), seconds });
    }
    if (job.status === 'completed') return t('phase.completed');
    if (job.status === 'queued') return job.ahead ? t('phase.queued', { ahead: job.ahead }) : t('phase.next');
    if (phase === 'waiting') return this.#awaited(job);
    return t(phase === 'paused' ? 'phase.paused' : 'phase.making');
  }

  /** What the first picture waits for. @param {Job} job @returns {string} */
  #awaited(job) {
    const { state, done, total } = job.stage('prepare');
    if (state !== 'running') return this.language.t('phase.first');
    if (!total) return this.language.t('phase.presenterUnknown');
    return this.language.t('phase.presenter', { percent: this.language.tens(done / total) });
  }

  /** @param {Job | null} job */
  #downloads(job) {
    const done = job?.status === 'completed' ? job : null;
    const mp4 = byId('mp4', HTMLAnchorElement);
    const srt = byId('srt', HTMLAnchorElement);
    mp4.hidden = !done || !this.#file(done);
    srt.hidden = !done || !done.cues.size;
    const share = byId('share', HTMLButtonElement);
    share.hidden = mp4.hidden;
    setText(share, this.language.t(done && this.shared === done.id ? 'action.shared' : 'action.share'));
    const stored = byId('stored', HTMLAnchorElement);
    const elsewhere = done?.publication?.state === 'published' && done.outputs.find((one) => one.kind === 'video');
    stored.hidden = !elsewhere;
    if (elsewhere) stored.href = address(elsewhere.url);
    if (!done) return;
    mp4.href = this.#file(done);
    mp4.download = done.fileName;
    setText(/** @type {HTMLElement} */ (mp4.lastElementChild), this.language.t('action.video', { format: done.format.toUpperCase() }));
    srt.href = address(subtitlesPath(done.id));
    srt.download = `${done.id}.srt`;
  }

  /** Copy an address of the video that works for others. */
  async #share() {
    const { job } = this;
    const output = job?.outputs.find(({ kind }) => kind === 'video');
    if (!job || !output) return;
    try {
      const { url } = await linkOf(job.id, output.name);
      await navigator.clipboard.writeText(address(url));
      this.shared = job.id;
    } catch (error) {
      this.composer.complain(error instanceof ApiError ? error : new ApiError(0, { code: 'empty', message: this.language.t('action.notShared') }));
    }
    this.draw();
  }

  /** @param {Job | null} job */
  #failure(job) {
    const box = byId('failure', HTMLElement);
    const stuck = job?.publication?.state === 'failed' ? job.publication.error : null;
    const error = job?.status === 'failed' ? job.error : stuck;
    box.hidden = !error;
    if (!error) return;
    const { language } = this;
    const { title, detail } = explain(language, error);
    const where = error.stage ? language.t('failed.in', { stage: language.t(`lane.${error.stage}`) }) : '';
    const stage = error === stuck ? language.t('failed.store') : where;
    const said = [stage || title || error.code, stage ? title : '', detail].filter(Boolean);
    if (box.dataset.said === said.join('\n')) return;
    box.dataset.said = said.join('\n');
    const [first, ...more] = said;
    box.replaceChildren(icon('alert'), el('span', {}, el('strong', {}, first), ' ', more.join(' ')));
  }

  /** @param {Job | null} job */
  #facts(job) {
    const { language, player, video } = this;
    const none = language.t('fact.none');
    const first = Number(video.dataset.firstFrameMs ?? Number.NaN);
    const onServer = job?.metrics?.first_frame_ms;
    const value = Number.isNaN(first) ? onServer : first;
    setText(byId('fact-first', HTMLElement), value == null ? none : language.milliseconds(value));
    const prepared = job?.metrics?.prepare_ms ?? 0;
    const more = [];
    if (onServer != null && !Number.isNaN(first)) more.push(language.t('fact.server', { value: language.milliseconds(onServer) }));
    if (prepared > 500) more.push(language.t('fact.prepared', { value: language.milliseconds(prepared) }));
    setText(byId('fact-first-more', HTMLElement), more.join(' · '));
    const factor = job?.metrics?.rtf;
    const speed = factor ? 1 / factor : (job?.speed('encode') ?? player.made.value);
    setText(byId('fact-speed', HTMLElement), speed ? language.times(speed) : none);
    const said = factor ? language.t('fact.rtf', { value: language.number(factor, 2) }) : '';
    setText(byId('fact-speed-more', HTMLElement), said);
    const length = job?.duration ? language.seconds(job.duration) : none;
    setText(byId('fact-length', HTMLElement), job?.duration && !job.metrics ? language.t('fact.about', { value: length }) : length);
    setText(byId('fact-ahead', HTMLElement), job && player.ahead > 0 ? language.seconds(player.ahead) : none);
  }
}
