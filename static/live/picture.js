/** The picture of a live session: as near to its newest frame as the network allows. */

import { LiveSource, canFeed } from '../source.js';

/** Seconds behind the newest frame: aimed at, and beyond which the rest is skipped. */
const BEHIND_S = 0.2;
const LATE_S = 1.2;

export class Picture {
  /**
   * @param {HTMLVideoElement} video
   * @param {() => void} onblocked the browser wants a click before it plays sound: it is silent until `unmute`
   */
  constructor(video, onblocked) {
    this.video = video;
    this.onblocked = onblocked;
    this.url = '';
    /** @type {LiveSource | null} */
    this.source = null;
  }

  /** @param {string} url of the session's stream, as a WebSocket */
  follow(url) {
    this.stop();
    if (!canFeed()) {
      this.video.src = `${url.replace(/^ws/, 'http')}.mp4`;
      return this.play();
    }
    this.url = url;
    this.source = new LiveSource(this.video, {
      ongrow: () => this.#keepUp(),
      onend: () => {},
      onfail: () => this.follow(this.url),
      onrestart: () => this.follow(this.url), // its time begins from 0 again
      reachable: () => false, // never given up
    });
    this.source.connect(url);
  }

  /** The session is over: the last picture stays. */
  end() {
    this.source?.finish();
  }

  stop() {
    this.source?.close();
    this.source = null;
    this.video.removeAttribute('src');
    this.video.load();
  }

  play() {
    this.video.play().catch((/** @type {DOMException} */ error) => {
      if (error.name !== 'NotAllowedError' || this.video.muted) return;
      this.video.muted = true;
      this.onblocked();
      this.play();
    });
  }

  /** Called in a click, which is what allows sound. */
  unmute() {
    this.video.muted = false;
    this.play();
  }

  #keepUp() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length || document.hidden) return;
    const newest = buffered.end(buffered.length - 1);
    const oldest = buffered.start(buffered.length - 1);
    if (video.currentTime < oldest || newest - video.currentTime > LATE_S) video.currentTime = Math.max(oldest, newest - BEHIND_S);
    if (video.paused && newest - video.currentTime >= BEHIND_S) this.play();
  }
}
