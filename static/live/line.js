/** The control line of a live session: texts and interrupts go out, events come in. It comes back by itself. */

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 5000;
/** The server closes with this when the session is over. */
const OVER = 1000;
/** A quiet line is asked whether it lives, and is opened anew if it does not say so. */
const ASK_AFTER_MS = 2000;
const ANSWER_MS = 2500;

/** @typedef {{type: string, seq: number, data: any}} Message an event as the server sends it */

export class Line {
  /**
   * @param {string} url of the session's WebSocket
   * @param {{onmessage: (message: Message) => void, onlink: (open: boolean) => void, onover: () => void}} listeners
   */
  constructor(url, listeners) {
    this.url = url;
    this.listeners = listeners;
    this.last = -1;
    this.failures = 0;
    this.heard = 0;
    this.asked = 0;
    this.closed = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.retry = 0;
    this.clock = setInterval(() => this.#check(), 500);
    this.#connect();
  }

  /** Whether what is sent now reaches the server. */
  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** @param {object | ArrayBuffer} message @returns {boolean} whether it has gone out */
  send(message) {
    if (!this.socket || !this.open) return false;
    this.socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
    return true;
  }

  /** Leave; the session goes on. */
  close() {
    this.closed = true;
    clearInterval(this.clock);
    clearTimeout(this.retry);
    this.socket?.close();
  }

  #connect() {
    const socket = new WebSocket(this.last < 0 ? `${this.url}?after=0` : `${this.url}?after=${this.last}`);
    this.socket = socket;
    socket.onopen = () => {
      this.#hears();
      this.listeners.onlink(true);
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.#hears();
      this.failures = 0;
      const message = JSON.parse(data);
      if (message.type === 'resync') this.last = -1; // the server's log is not the one we knew
      if (message.seq && message.seq <= this.last) return;
      if (message.seq) this.last = message.seq;
      this.listeners.onmessage(message);
    };
    socket.onclose = ({ code }) => socket === this.socket && this.#lost(code);
  }

  /** @param {number} code */
  #lost(code) {
    if (this.closed) return;
    this.socket = null;
    this.listeners.onlink(false);
    if (code === OVER) {
      this.close();
      return this.listeners.onover();
    }
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    this.retry = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));
  }

  #hears() {
    this.heard = performance.now();
    this.asked = 0;
  }

  #check() {
    if (!this.socket || !this.open) return;
    const now = performance.now();
    if (!this.asked) {
      if (now - this.heard < ASK_AFTER_MS) return;
      this.asked = now;
      this.send({ type: 'ping' });
    } else if (now - this.asked > ANSWER_MS) {
      const dead = this.socket;
      dead.onclose = null; // it may come minutes later
      dead.close();
      this.#lost(0);
    }
  }
}
