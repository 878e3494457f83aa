/**
 * Play a video while it is being made: start as soon as it can go on to the end, and say what it is waiting for.
 *
 * Three ways, best first: a media source fed over a WebSocket; the browser's own progressive download of the
 * growing file; the finished file.
 */

import { address, streamPath } from './api.js';
import { Pace, Rate } from './pace.js';
import { LiveSource, canFeed } from './source.js';

/**
 * idle: nothing to play. waiting: for the first picture. holding: buffering by our own decision.
 * blocked: the browser wants a click before it plays sound.
 * @typedef {'idle' | 'waiting' | 'holding' | 'playing' | 'paused' | 'blocked' | 'ended' | 'failed'} Phase
 */

/** Seconds between attempts to play a growing file that could not be played, and how many there are. */
const AGAIN_S = 3;
const MOST_ATTEMPTS = 10;

/** Less media than this ahead of the playhead is none. */
const DRY = 0.1;

const seconds = () => performance.now() / 1000;

export class Player {
  /**
   * @param {HTMLVideoElement} video also carries `data-first-frame-ms`, `data-playing-ms` and `data-stalls`
   * @param {import('./feed.js').Feed} feed tells whether the server answers
   * @param {() => void} onchange
   */
  constructor(video, feed, onchange) {
    this.video = video;
    this.feed = feed;
    this.onchange = onchange;
    /** @type {LiveSource | null} */
    this.source = null;
    this.pace = new Pace();
    this.made = new Rate();
    this.arrived = new Rate();
    this.end = 0;
    /** @type {number | null} seconds the video will have */
    this.duration = null;
    /** Address of the growing file, and of the finished one; empty until there is one. */
    this.growing = '';
    this.complete = '';
    /** Not playing by our own decision, until enough is buffered. */
    this.hold = false;
    this.blocked = false;
    this.broken = false;
    this.failedAt = 0;
    this.attempts = 0;
    this.playedOnce = false;
    this.began = 0;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.clock = undefined;
    for (const name of ['playing', 'pause', 'ended', 'seeked']) video.addEventListener(name, onchange);
    video.addEventListener('playing', () => this.#played());
    video.addEventListener('play', () => this.#release()); // the viewer's own wish to start now counts
    video.addEventListener('waiting', () => this.#ranDry());
    video.addEventListener('error', () => this.#failed());
    feed.listeners.add(() => this.#linked());
  }

  #clear() {
    this.source?.close();
    this.source = null;
    this.pace = new Pace();
    this.made = new Rate();
    this.arrived = new Rate();
    this.end = 0;
    this.duration = null;
    this.growing = '';
    this.complete = '';
    this.hold = false;
    this.blocked = false;
    this.broken = false;
    this.attempts = 0;
    this.playedOnce = false;
    this.began = performance.now();
    clearInterval(this.clock);
    for (const name of ['firstFrameMs', 'playingMs', 'stalls']) delete this.video.dataset[name];
  }

  /** Forget what was played. */
  stop() {
    this.#clear();
    this.video.removeAttribute('src');
    this.video.load();
    this.onchange();
  }

  /** Get ready for a stream whose job does not exist yet. Called in the click itself: it is what allows sound. */
  prepare() {
    this.stop();
    this.hold = true;
    if (!canFeed()) return;
    this.source = new LiveSource(this.video, {
      ongrow: () => this.#consider(),
      onend: () => this.#consider(),
      onfail: () => this.#fallBack(),
      reachable: () => this.feed.link === 'open',
    });
    this.clock = setInterval(() => this.hold && this.#consider(), 200);
    this.#awaitPicture();
  }

  /**
   * Play the job's video while it grows.
   * @param {string} id
   */
  follow(id) {
    this.growing = address(streamPath(id));
    if (this.source) this.source.connect(address(streamPath(id), 'ws'));
    else this.#fallBack();
  }

  /**
   * Show a finished file.
   * @param {string} url
   */
  load(url) {
    this.stop();
    this.video.src = url;
  }

  /**
   * Learn how far the making is: it decides when playing can start.
   * @param {import('./job.js').Job} job
   */
  progress(job) {
    if (this.made.hint === null && job.video?.rate_hint) this.made.hint = job.video.rate_hint;
    if (job.made) this.made.report(job.made, job.ts);
    this.duration = job.expected;
    if (job.duration) this.source?.announce(job.duration);
    if (this.broken && job.made && !this.complete) this.#tryAgain();
    this.#consider();
  }

  /**
   * The job is done and `url` is its file, for what the buffer has forgotten and for browsers that could not stream.
   * @param {string} url
   */
  completed(url) {
    this.complete = url;
    if (this.broken) this.#swap();
  }

  /** The job was cut short: play what has been made. */
  cut() {
    this.source?.finish();
  }

  /** @returns {Phase} */
  get phase() {
    const { video } = this;
    if (this.broken) return 'failed';
    if (!video.currentSrc && !this.hold) return 'idle';
    if (this.blocked) return 'blocked';
    if (video.ended) return 'ended';
    if (this.hold) return this.ahead > 0 ? 'holding' : 'waiting';
    if (video.paused) return 'paused';
    return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? 'playing' : 'waiting';
  }

  /** Seconds of video buffered ahead of the playhead. */
  get ahead() {
    const { buffered, currentTime } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
  }

  /** Seconds of video per second, by the slower of making and arriving; null while nobody knows. */
  get rate() {
    const rates = [this.made.value, this.arrived.value].filter((rate) => rate !== null);
    return rates.length ? Math.min(...rates) : null;
  }

  /** Seconds until it starts or goes on; null if nobody can tell. */
  get wait() {
    const { buffered } = this.video;
    const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
    const remaining = this.duration === null ? null : Math.max(0, this.duration - end);
    return this.pace.wait(this.ahead, remaining, this.rate);
  }

  /** Something changed: start if it is time. */
  #consider() {
    const { buffered } = this.video;
    const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
    // Silence is no rate: the rate is that of what came, however long nothing has come since.
    if (end !== this.end) this.arrived.report(end, seconds());
    this.end = end;
    const { source } = this;
    const noMore = source && (source.full || (source.ended && !source.waiting.length));
    if (this.hold && buffered.length && (noMore || this.wait === 0)) {
      this.hold = false;
      // A stream joined late begins where the server began to send it.
      if (this.video.currentTime < buffered.start(0)) this.video.currentTime = buffered.start(0);
      this.play();
    }
    this.onchange();
  }

  /** The viewer looks elsewhere: be silent. */
  pause() {
    this.hold = false;
    this.video.pause();
  }

  /** Play; if the browser wants a click first, say so. */
  play() {
    this.hold = false;
    this.video.play().then(
      () => (this.blocked = false),
      (/** @type {DOMException} */ error) => {
        // AbortError: paused or replaced before it began, by us or by the viewer.
        this.blocked = error.name === 'NotAllowedError';
        this.onchange();
      },
    );
  }

  #release() {
    this.hold = false;
    this.blocked = false;
  }

  #played() {
    if (this.playedOnce) return;
    this.playedOnce = true;
    this.video.dataset.playingMs = String(Math.round(performance.now() - this.began));
    this.video.dataset.stalls = '0';
  }

  #awaitPicture() {
    const { began, video } = this;
    const shown = (/** @type {number} */ now) => {
      if (began !== this.began) return; // another stream by now
      video.dataset.firstFrameMs = String(Math.round(now - began));
      this.onchange();
    };
    if ('requestVideoFrameCallback' in video) video.requestVideoFrameCallback(shown);
    else /** @type {any} */ (video).addEventListener('loadeddata', () => shown(performance.now()), { once: true });
  }

  #ranDry() {
    const { video } = this;
    if (!this.playedOnce || this.hold || video.seeking && this.ahead > DRY) return;
    if (this.complete && !this.#has(video.currentTime)) return this.#swap();
    if (!this.source || this.source.ended || this.ahead > DRY) return;
    if (!video.seeking) {
      this.pace.stalled();
      video.dataset.stalls = String(this.pace.stalls);
    }
    this.hold = true;
    video.pause();
    this.onchange();
  }

  /** The server has gone or come back: what was measured before says nothing of what follows. */
  #linked() {
    this.made = new Rate(this.made.hint);
    this.arrived = new Rate();
    if (this.feed.link === 'open') this.source?.hurry();
  }

  /** @param {number} time */
  #has(time) {
    const { buffered } = this.video;
    for (let k = 0; k < buffered.length; k += 1) {
      if (buffered.start(k) <= time && time <= buffered.end(k) + DRY) return true;
    }
    return false;
  }

  /** Go on in the finished file, at the same place. */
  #swap() {
    const { currentTime } = this.video;
    const url = this.complete;
    this.#clear();
    this.video.src = url;
    this.video.currentTime = currentTime;
    this.play();
  }

  /** The server was away, perhaps: as long as the job goes on, so do we. */
  #tryAgain() {
    if (this.attempts >= MOST_ATTEMPTS || seconds() - this.failedAt < AGAIN_S) return;
    this.attempts += 1;
    this.broken = false;
    this.#fallBack();
  }

  /** Let the browser download the growing file by itself. */
  #fallBack() {
    this.source?.close();
    this.source = null;
    this.hold = false;
    this.video.src = this.growing;
    this.#awaitPicture();
    this.play();
  }

  #failed() {
    if (!this.video.getAttribute('src')) return;
    if (this.source) return this.#fallBack();
    this.broken = true;
    this.failedAt = seconds();
    if (this.complete && this.complete !== this.video.src) this.#swap();
    this.onchange();
  }
}
