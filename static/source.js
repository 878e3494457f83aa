/**
 * Bring the growing MP4 of a job from its WebSocket into a video element.
 *
 * Knows sockets and buffers; when to play is `player.js`'s business.
 *
 * Learnt from: Media Source Extensions (https://www.w3.org/TR/media-source-2/) and its managed variant, the only
 * one iPhones have, which wants remote playback off and says itself when it takes data.
 */

const FIRST_DELAY_MS = 300;
const LONGEST_DELAY_MS = 8000;
/** So many connections that brought nothing, while the server answers, mean that something lets no such sockets through. */
const GIVE_UP_AFTER = 6;
/** Seconds behind the playhead that are kept when a browser's buffer is full. */
const KEPT_BEHIND = 10;
/** The server closes with this when the stream is complete. */
const COMPLETE = 1000;
/** ... and with this when it stops, or begins the stream anew. */
const RESTART = 1012;

/** The kind of media source there is here, if any. */
const media = () => {
  const scope = /** @type {any} */ (globalThis);
  return scope.MediaSource ?? scope.ManagedMediaSource ?? null;
};

/** Whether this browser can play a stream fed by script. */
export const canFeed = () => media() !== null;

/**
 * @typedef {object} SourceListeners
 * @property {() => void} ongrow more can be played
 * @property {() => void} onend all of it has arrived
 * @property {(reason: string) => void} onfail this browser cannot play it this way
 * @property {() => boolean} reachable the server answers elsewhere
 * @property {() => void} [onrestart] the server begins anew: of a stream that has no end, the time does, too
 */

export class LiveSource {
  /**
   * Opens at once, so that it is ready when the first bytes arrive.
   * @param {HTMLVideoElement} video
   * @param {SourceListeners} listeners
   */
  constructor(video, listeners) {
    this.video = video;
    this.listeners = listeners;
    const Media = media();
    this.managed = !('MediaSource' in globalThis);
    video.disableRemotePlayback = this.managed;
    this.media = new Media();
    /** @type {SourceBuffer | null} */
    this.buffer = null;
    this.mime = '';
    /** @type {Uint8Array[]} */
    this.waiting = [];
    this.ended = false;
    this.closed = false;
    /** The browser takes no more for now: waiting for a longer lead would be waiting for ever. */
    this.full = false;
    this.url = '';
    this.failures = 0;
    /** Failures while the server was there. */
    this.refusals = 0;
    this.retry = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.pump = this.pump.bind(this);
    this.media.addEventListener('sourceopen', this.pump);
    this.media.addEventListener('startstreaming', this.pump);
    video.addEventListener('timeupdate', this.pump);
    this.objectUrl = URL.createObjectURL(this.media);
    video.src = this.objectUrl;
  }

  /**
   * Read the stream from its beginning; a broken connection is opened again.
   *
   * What then arrives twice replaces itself in the buffer, so it does not matter where it broke, nor
   * whether the server made the video anew in between.
   * @param {string} url
   */
  connect(url) {
    if (this.closed) return;
    this.url = url;
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => {
      this.failures = this.refusals = 0;
      if (typeof data === 'string') this.#describe(JSON.parse(data));
      else this.waiting.push(new Uint8Array(data));
      this.pump();
    };
    socket.onclose = ({ code }) => {
      if (this.closed) return;
      // Firefox may miss all of a stream that ends while its connection is being opened; then ask again.
      if (code === COMPLETE && this.mime) return this.finish();
      if (code === RESTART && this.listeners.onrestart) {
        this.closed = true;
        this.retry = setTimeout(this.listeners.onrestart, FIRST_DELAY_MS);
        return;
      }
      const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.failures);
      this.failures += 1;
      if (this.listeners.reachable()) this.refusals += 1;
      if (this.refusals > GIVE_UP_AFTER && !this.mime) return this.listeners.onfail('the stream cannot be opened');
      this.retry = setTimeout(() => this.connect(url), delay * (0.5 + Math.random() / 2));
    };
  }

  /** The server is back: do not sit out the delay. */
  hurry() {
    if (this.closed || this.ended || this.socket?.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.retry);
    this.failures = 0;
    this.connect(this.url);
  }

  /** Nothing more will come: play what there is. */
  finish() {
    this.ended = true;
    this.#hangUp();
    this.pump();
    this.listeners.onend();
  }

  /** Let go of the element and the connection. */
  close() {
    this.closed = true;
    this.#hangUp();
    this.video.removeEventListener('timeupdate', this.pump);
    URL.revokeObjectURL(this.objectUrl);
  }

  /**
   * Tell the element how long it will be, so that its controls can show it.
   * @param {number} seconds
   */
  announce(seconds) {
    const { buffer, media: source } = this;
    if (!buffer || buffer.updating || source.readyState !== 'open' || this.ended) return;
    const { buffered } = buffer;
    const least = buffered.length ? buffered.end(buffered.length - 1) : 0;
    const length = Math.max(seconds, least);
    // Half a second: an estimate that wanders by less must not make the controls twitch.
    if (!Number.isFinite(source.duration) || Math.abs(source.duration - length) > 0.5) source.duration = length;
  }

  #hangUp() {
    clearTimeout(this.retry);
    const { socket } = this;
    this.socket = null;
    if (!socket) return;
    socket.onclose = null;
    socket.onmessage = null;
    socket.close();
  }

  /** @param {{mime: string}} init */
  #describe({ mime }) {
    if (!media().isTypeSupported(mime)) return this.listeners.onfail(`this browser does not play ${mime}`);
    this.mime = mime;
  }

  /** Do the next thing the buffer is ready for. */
  pump() {
    if (this.closed || this.media.readyState === 'closed') return;
    if (!this.buffer) {
      if (!this.mime) return;
      this.buffer = /** @type {SourceBuffer} */ (this.media.addSourceBuffer(this.mime));
      this.buffer.addEventListener('updateend', () => {
        this.pump();
        this.listeners.ongrow();
      });
    }
    if (this.buffer.updating) return;
    if (this.waiting.length) {
      this.full = this.managed && !this.media.streaming;
      if (!this.full) this.#append(this.buffer);
    } else if (this.ended && this.media.readyState === 'open') {
      this.media.endOfStream();
    }
  }

  /** @param {SourceBuffer} buffer */
  #append(buffer) {
    const piece = join(this.waiting);
    try {
      buffer.appendBuffer(piece);
      this.waiting = [];
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      if (error.name !== 'QuotaExceededError') return this.listeners.onfail(error.message);
      this.waiting = [piece];
      this.full = true;
      const stop = this.video.currentTime - KEPT_BEHIND;
      // Nothing to forget yet: the next `timeupdate` tries again.
      if (buffer.buffered.length && stop > buffer.buffered.start(0)) buffer.remove(0, stop);
    }
  }
}

/** @param {Uint8Array[]} pieces @returns {Uint8Array<ArrayBuffer>} */
function join(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
