/**
 * One WebSocket for the events of many jobs. It comes back by itself and goes on where it stopped.
 *
 * Delivers each numbered event once and in order, whatever happens to the connection.
 */

import { LastingSocket } from './lasting.js';

/** @typedef {import('./job.js').Message} Message */
/** @typedef {{last: number, listener: (message: Message) => void}} Watch `last`: number of the last event heard */

export class Feed {
  /**
   * @param {string} url
   */
  constructor(url) {
    /** @type {Set<() => void>} told when `link` has changed */
    this.listeners = new Set();
    /** @type {Map<string, Watch>} by job id; `*` is all jobs */
    this.watched = new Map();
    this.socket = new LastingSocket(() => url, {
      onopen: () => {
        for (const id of this.watched.keys()) this.#subscribe(id);
      },
      onmessage: (message) => this.#receive(message),
      onlink: () => {
        for (const listener of this.listeners) listener();
      },
    });
  }

  /** @returns {import('./lasting.js').Link} */
  get link() {
    return this.socket.link;
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
      this.socket.send({ type: 'unsubscribe', job_ids: id === '*' ? '*' : [id] });
      // Leaving all means each: the ones still listened to are asked for again, from where they were.
      if (id === '*') for (const other of this.watched.keys()) this.#subscribe(other);
    };
  }

  /** @param {string} id */
  #subscribe(id) {
    const after = this.watched.get(id)?.last ?? 0;
    this.socket.send(id === '*' ? { type: 'subscribe', job_ids: '*' } : { type: 'subscribe', job_ids: [id], after });
  }

  /** @param {Message} message */
  #receive(message) {
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
