/**
 * How a live session is watched: by WebRTC where the server offers it and it comes through, else by WebSocket, as near to
 * its newest frame as the network allows; by HTTP where a browser can be fed by neither.
 */

import { address, sessionPath } from '../api.js';
import { LiveSource, canFeed } from '../source.js';
import { Whep, canMeet } from './whep.js';

/** Seconds behind the newest frame: aimed at, and beyond which the rest is skipped. */
const BEHIND_S = 0.2;
const LATE_S = 1.2;
/** Seconds of sound by WebRTC that browsers hold back, so that it comes out evenly. */
const HELD_S = 0.12;

/** @typedef {'' | 'webrtc' | 'socket' | 'http'} Way empty: none yet */

export class Picture {
  /**
   * @param {HTMLVideoElement} video
   * @param {{onblocked: () => void, onway: () => void}} listeners the browser wants a click before it plays sound: it is
   *   silent until `unmute`; `way` has changed
   */
  constructor(video, { onblocked, onway }) {
    this.video = video;
    this.onblocked = onblocked;
    this.onway = onway;
    this.session = '';
    /** Whether WebRTC is worth trying. */
    this.webrtc = false;
    /** @type {Way} */
    this.way = '';
    /** @type {LiveSource | null} */
    this.source = null;
    /** @type {Whep | null} */
    this.whep = null;
    /** When something was heard last, in the video's time and in that of this page; and this page's clock less the server's. */
    this.heard = { at: 0, here: 0 };
    this.ahead = 0;
  }

  /** @param {string} session @param {boolean} webrtc whether the server offers it */
  follow(session, webrtc) {
    this.session = session;
    this.webrtc = webrtc && canMeet();
    this.#begin();
  }

  /** It comes back by itself when the session begins anew. */
  get lasting() {
    return Boolean(this.source ?? this.whep);
  }

  /** The time in the video of what is seen and heard now, in seconds. */
  get now() {
    // WebRTC shows what has just left the server and knows no time of the video.
    if (this.way === 'webrtc') return this.heard.at + performance.now() / 1000 - this.heard.here - HELD_S;
    return this.video.currentTime;
  }

  /** An event of the session: some tell which moment of the video leaves the server. @param {import('./line.js').Message} message */
  hear({ type, ts, data }) {
    if (type === 'session.snapshot') this.ahead = performance.now() / 1000 - ts;
    const at = data.start_s ?? data.at_s;
    if (at !== undefined) this.heard = { at, here: ts + this.ahead };
  }

  /** The session is over: the last picture stays. */
  end() {
    this.whep?.finish();
    this.source?.finish();
  }

  stop() {
    this.whep?.close();
    this.source?.close();
    this.whep = this.source = null;
    this.video.srcObject = null;
    this.video.removeAttribute('src');
    this.video.load();
    this.#go('');
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

  #begin() {
    this.stop();
    if (!this.webrtc) return this.#read();
    this.whep = new Whep(this.video, this.session, {
      oncome: () => this.#go('webrtc'),
      onfail: () => {
        this.webrtc = this.way === 'webrtc'; // what never came will not come the next time
        this.#read();
      },
    });
    this.play();
  }

  #read() {
    this.stop();
    if (!canFeed()) {
      this.video.src = address(`${sessionPath(this.session)}/stream.mp4`);
      this.#go('http');
      return this.play();
    }
    this.source = new LiveSource(this.video, {
      ongrow: () => this.#keepUp(),
      onend: () => {},
      onfail: () => this.#read(),
      onrestart: () => this.#begin(), // its time begins from 0 again
      reachable: () => false, // never given up
    });
    this.source.connect(address(`${sessionPath(this.session)}/stream`, 'ws'));
    this.#go('socket');
  }

  /** @param {Way} way */
  #go(way) {
    this.way = way;
    this.onway();
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
