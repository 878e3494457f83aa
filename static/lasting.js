/** A WebSocket that comes back by itself, and that notices within a few seconds when nothing answers any more. */

const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 10_000;
/** A line that has been quiet for so long is asked whether it lives; without an answer it is silent, then dead. */
const ASK_AFTER_MS = 2000;
const SILENT_AFTER_MS = 2000;
const DEAD_AFTER_MS = 6000;

/**
 * connecting: for the first time. open: the server answers. silent: connected, but it does not. waiting: to come back.
 * over: it does not come back.
 * @typedef {'connecting' | 'open' | 'silent' | 'waiting' | 'over'} Link
 */

export class LastingSocket {
  /**
   * @param {() => string} url asked for at every attempt
   * @param {object} listeners
   * @param {() => void} [listeners.onopen]
   * @param {(message: any) => void} listeners.onmessage what came, read as JSON
   * @param {(link: Link) => void} listeners.onlink when `link` has changed
   * @param {(code: number) => boolean} [listeners.over] whether a close with this code is for good
   */
  constructor(url, { onopen = () => {}, onmessage, onlink, over = () => false }) {
    this.url = url;
    this.listeners = { onopen, onmessage, onlink, over };
    /** @type {Link} */
    this.link = 'connecting';
    this.failures = 0;
    this.heard = 0;
    /** When the line was asked whether it lives; 0 if there was no need. */
    this.asked = 0;
    this.retry = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.gone = new AbortController();
    const { signal } = this.gone;
    addEventListener('online', () => this.#hurry(), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry(), { signal });
    this.clock = setInterval(() => this.#check(), 500);
    this.#connect();
  }

  /** @param {object | ArrayBuffer} message @returns {boolean} whether it has gone out */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(message instanceof ArrayBuffer ? message : JSON.stringify(message));
    return true;
  }

  /** Leave for good. */
  close() {
    clearInterval(this.clock);
    clearTimeout(this.retry);
    this.gone.abort();
    this.link = 'over';
    this.#drop();
  }

  #connect() {
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url());
    this.socket = socket;
    socket.onopen = () => {
      this.#hears();
      this.listeners.onopen();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.#hears();
      this.failures = 0; // not when it opens: that can go wrong over and over
      this.listeners.onmessage(JSON.parse(data));
    };
    socket.onclose = ({ code }) => socket === this.socket && this.#lost(code);
  }

  /** @param {number} code */
  #lost(code) {
    this.#drop();
    if (this.listeners.over(code)) {
      this.close();
      return this.listeners.onlink('over');
    }
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
    this.failures += 1;
    this.#tell('waiting');
    // Spread over half the time: after a restart of the server not all pages come back at once.
    this.retry = setTimeout(() => this.#connect(), longest * (0.5 + Math.random() / 2));
  }

  /** Its close event may come minutes later, and must not count. */
  #drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  #hears() {
    this.heard = performance.now();
    this.asked = 0;
    this.#tell('open');
  }

  /** A server or a network that is gone without a word is noticed within 5 s, long before a heartbeat is missed. */
  #check() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const now = performance.now();
    if (this.asked) {
      const silence = now - this.asked; // not since `heard`: the tab itself may have slept
      if (silence > DEAD_AFTER_MS) this.#lost(0);
      else if (silence > SILENT_AFTER_MS) this.#tell('silent');
    } else if (now - this.heard > ASK_AFTER_MS) {
      this.asked = now;
      this.send({ type: 'ping' });
    }
  }

  /** @param {Link} link */
  #tell(link) {
    if (link === this.link) return;
    this.link = link;
    this.listeners.onlink(link);
  }

  /** The network or the tab is back: do not sit out the delay. */
  #hurry() {
    if (!this.socket) this.#connect();
  }
}
