/** A live session by WebRTC, as it is made: WHEP (draft-ietf-wish-whep). Of use only while picture and sound come. */

import { createViewer, deleteViewer } from '../api.js';

/** Milliseconds without new picture or new sound after which it is of no use. */
const PATIENCE_MS = 1800;
const LOOK_MS = 100;

/** Whether this browser knows WebRTC. */
export const canMeet = () => 'RTCPeerConnection' in globalThis;

export class Whep {
  /**
   * @param {HTMLVideoElement} video
   * @param {string} session
   * @param {{oncome: () => void, onfail: () => void}} listeners once picture and sound have come; once they do not, or
   *   not any more
   */
  constructor(video, session, { oncome, onfail }) {
    this.listeners = { oncome, onfail };
    this.come = false;
    this.closed = false;
    /** What is deleted by who leaves; unknown until the offer is answered. */
    this.place = '';
    /** What came last of each track, and when: its time in RTP. @type {Map<RTCRtpReceiver, {stamp: number | undefined, at: number}>} */
    this.newest = new Map();
    this.line = new RTCPeerConnection();
    this.line.onconnectionstatechange = () => ['failed', 'closed'].includes(this.line.connectionState) && this.#fail();
    for (const kind of ['video', 'audio']) {
      const { receiver } = this.line.addTransceiver(kind, { direction: 'recvonly' });
      this.newest.set(receiver, { stamp: undefined, at: performance.now() });
    }
    video.srcObject = new MediaStream([...this.newest.keys()].map(({ track }) => track));
    this.clock = setInterval(() => this.#look(), LOOK_MS);
    this.leave = () => this.close();
    addEventListener('pagehide', this.leave);
    this.#meet(session).catch(() => this.#fail());
  }

  /** Nothing more will come: the server has hung up. The last picture stays until `close`. */
  finish() {
    clearInterval(this.clock);
    this.line.onconnectionstatechange = null;
    this.place = '';
  }

  /** Leave. */
  close() {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.clock);
    removeEventListener('pagehide', this.leave);
    this.#tell();
  }

  /** @param {string} session */
  async #meet(session) {
    const { line } = this;
    await line.setLocalDescription();
    const { answer, place } = await createViewer(session, line.localDescription?.sdp ?? '');
    this.place = place;
    if (this.closed) return this.#tell();
    await line.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  /** Before the line is closed, by which the server would know, too. */
  async #tell() {
    if (this.place) await deleteViewer(this.place).catch(() => {});
    this.line.close();
  }

  #fail() {
    if (this.closed) return;
    this.close();
    this.listeners.onfail();
  }

  /** Whether something new has come of both: a line that stands may bring nothing. */
  #look() {
    const now = performance.now();
    for (const [receiver, newest] of this.newest) {
      const stamp = receiver.getSynchronizationSources()[0]?.rtpTimestamp;
      // A page that is not seen may be given no pictures.
      if (stamp !== newest.stamp || document.hidden) Object.assign(newest, { stamp, at: now });
    }
    const all = [...this.newest.values()];
    if (all.some(({ at }) => now - at > PATIENCE_MS)) return this.#fail();
    if (this.come || all.some(({ stamp }) => stamp === undefined)) return;
    this.come = true;
    this.listeners.oncome();
  }
}
