/**
 * One WebSocket for the events of many jobs. It comes back by itself and goes on where it stopped.
 *
 * Delivers each numbered event once and in order, whatever happens to the connection.
 */

/** @typedef {import('./job.js').Message} Message */
/** @typedef {{last: number, listener: (message: Message) => void}} Watch `last`: number of the last event heard */
/**
 * connecting: for the first time. open: the server answers. silent: connected, but it does not. waiting: to come back.
 * @typedef {'connecting' | 'open' | 'silent' | 'waiting'} Link
 */

const FIRST_DELAY_S = 0.5;
const LONGEST_DELAY_S = 15;
/** Silence of this many heartbeats means the connection is dead, though the browser has not noticed. */
const MISSED_HEARTBEATS = 3;
/** A line that has been quiet for so long is asked whether it lives, and counts as silent if no answer comes. */
const ASK_AFTER_MS = 2000;
const ANSWER_MS = 2000;

export class Feed {
  /**
   * @param {string} url
   */
  constructor(url) {
    this.url = url;
    /** @type {Link} */
    this.link = 'connecting';
    /** @type {Set<() => void>} told when `link` has changed */
    this.listeners = new Set();
    this.heard = 0;
    /** When the line was asked whether it lives; 0 if there was no need. */
    this.asked = 0;
    /** @type {Map<string, Watch>} by job id; `*` is all jobs */
    this.watched = new Map();
    /** @type {WebSocket | null} */
    this.socket = null;
    this.failures = 0;
    this.heartbeat = 0;
    this.retry = 0;
    this.silence = 0;
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
    setInterval(() => this.#check(), 500);
    this.#connect();
  }

  /**
   * Listen to a job, from its first event on; `*` is all jobs, from now on. One listener each.
   * @param {string} id
   * @param {(message: Message) => void} listener
   * @returns {() => void} stop listening
   */
  watch(id, listener) {
    const watch = { last: 0, listener };
    this.watched.set(id, watch);
    this.#subscribe(id);
    return () => {
      if (this.watched.get(id) !== watch) return;
      this.watched.delete(id);
      this.#send({ type: 'unsubscribe', job_ids: id === '*' ? '*' : [id] });
      // Leaving all means each: the ones still listened to are asked for again, from where they were.
      if (id === '*') for (const other of this.watched.keys()) this.#subscribe(other);
    };
  }

  /** @param {string} id */
  #subscribe(id) {
    const after = this.watched.get(id)?.last ?? 0;
    this.#send(id === '*' ? { type: 'subscribe', job_ids: '*' } : { type: 'subscribe', job_ids: [id], after });
  }

  /** @param {object} message */
  #send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #connect() {
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      this.#hears();
      for (const id of this.watched.keys()) this.#subscribe(id);
    };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.#hears();
      this.#listen();
      this.#receive(JSON.parse(event.data));
    };
    socket.onclose = () => socket === this.socket && this.#lost();
  }

  #lost() {
    clearTimeout(this.silence);
    const longest = Math.min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** this.failures);
    // Spread over half the time: after a restart of the server not all pages come back at once.
    const seconds = longest * (0.5 + Math.random() / 2);
    this.failures += 1;
    this.#tell('waiting');
    this.retry = setTimeout(() => this.#connect(), seconds * 1000);
  }

  /** @param {Link} link */
  #tell(link) {
    if (link === this.link) return;
    this.link = link;
    for (const listener of this.listeners) listener();
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
    if (this.asked) return now - this.asked > ANSWER_MS ? this.#tell('silent') : undefined;
    if (now - this.heard < ASK_AFTER_MS) return;
    this.asked = now; // not since `heard`: the tab itself may have slept
    this.#send({ type: 'ping' });
  }

  /** The network or the tab is back: do not sit out the delay. */
  #hurry() {
    if (this.socket?.readyState === WebSocket.CLOSED) this.#connect();
  }

  #listen() {
    clearTimeout(this.silence);
    if (!this.heartbeat) return;
    this.silence = setTimeout(() => {
      const dead = this.socket;
      this.socket = null; // its close event may come minutes later, and must not count
      dead?.close();
      this.#lost();
    }, this.heartbeat * MISSED_HEARTBEATS * 1000);
  }

  /** @param {Message} message */
  #receive(message) {
    if (message.type === 'session.created') {
      this.failures = 0;
      this.heartbeat = Number(message.data.heartbeat_s) || 0;
      this.#listen();
    }
    const id = message.job_id;
    if (!id) return;
    const watch = this.watched.get(id);
    if (watch) this.#deliver(watch, id, message);
    this.watched.get('*')?.listener(message);
  }

  /**
   * @param {Watch} watch
   * @param {string} id
   * @param {Message} message
   */
  #deliver(watch, id, message) {
    if (message.type === 'resync') watch.last = 0; // the server's log is not the one we knew
    if (message.seq) {
      // 0 is what is said beside the log.
      if (message.seq <= watch.last) return;
      if (message.seq > watch.last + 1) return this.#subscribe(id);
      watch.last = message.seq;
    }
    watch.listener(message);
  }
}
