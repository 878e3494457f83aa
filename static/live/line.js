/** The control line of a live session: texts and interrupts go out, events come in, each once and in order. */

import { LastingSocket } from '../lasting.js';

/** The server closes with this when the session is over. */
const OVER = 1000;

/** @typedef {{type: string, seq: number, ts: number, data: any}} Message an event as the server sends it */

export class Line {
  /**
   * @param {string} url of the session's WebSocket
   * @param {{onmessage: (message: Message) => void, onlink: (open: boolean) => void, onover: () => void}} listeners
   */
  constructor(url, { onmessage, onlink, onover }) {
    this.last = 0;
    this.onmessage = onmessage;
    this.socket = new LastingSocket(() => `${url}?after=${this.last}`, {
      onmessage: (message) => this.#hear(message),
      onlink: (link) => (link === 'over' ? onover() : onlink(link === 'open')),
      over: (code) => code === OVER,
    });
  }

  /** @param {object | ArrayBuffer} message @returns {boolean} whether it has gone out */
  send(message) {
    return this.socket.send(message);
  }

  /** Leave; the session goes on. */
  close() {
    this.socket.close();
  }

  /** @param {Message} message */
  #hear(message) {
    if (message.type === 'resync') this.last = 0; // the server's log is not the one we knew
    if (message.seq && message.seq <= this.last) return;
    if (message.seq) this.last = message.seq;
    this.onmessage(message);
  }
}
