/** The live view: a person who idles, says what is typed, spoken or streamed in, and stops at a word. */

import { ApiError, address, createSession, deleteSession, getSession, listSessions, listTemplates, listVoices, sessionPath } from '../api.js';
import { byId, el, setText } from '../dom.js';
import { Notice } from '../notice.js';
import { Line } from './line.js';
import { Microphone, canListen } from './microphone.js';
import { Picture } from './picture.js';
import { Pushes } from './pushes.js';
import { Transcript } from './transcript.js';

/** @typedef {'none' | 'starting' | 'idle' | 'speaking' | 'lost' | 'over'} State */

export class Live {
  /**
   * @param {import('../composer.js').Context} context
   * @param {(id: string) => void} onsession one has begun, or there is none any more: remember it in the address
   */
  constructor({ language }, onsession) {
    this.language = language;
    this.onsession = onsession;
    this.root = byId('live', HTMLElement);
    this.video = byId('live-video', HTMLVideoElement);
    this.text = byId('live-text', HTMLTextAreaElement);
    this.template = byId('live-template', HTMLSelectElement);
    this.voice = byId('live-voice', HTMLSelectElement);
    this.notice = new Notice(byId('live-problem', HTMLElement), language);
    this.transcript = new Transcript(byId('live-said', HTMLOListElement));
    this.pushes = new Pushes(language);
    this.picture = new Picture(this.video, { onblocked: () => this.#press(true), onway: () => this.#showWay() });
    this.microphone = new Microphone(
      (rate) => this.line?.send({ type: 'audio.format', rate, channels: 1, encoding: 's16le' }),
      (samples) => this.line?.send(samples),
    );
    /** @type {State} */
    this.state = 'none';
    /** What it was before the connection was lost. @type {State} */
    this.known = 'none';
    this.id = '';
    /** Whether the server offers WebRTC. */
    this.webrtc = false;
    /** @type {Line | null} */
    this.line = null;
    /** Texts that were sent from here, by the `ref` of their message, until they have a number. @type {Map<string, string>} */
    this.sent = new Map();
    this.refs = 0;
    /** What each presenter can do. @type {Map<string, string[]>} */
    this.actions = new Map();
    /** @type {number | null} seconds from a text to its first picture, as the server measured it */
    this.after = null;
    this.#listen();
    this.draw();
  }

  #listen() {
    byId('live-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#say();
    });
    this.text.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#interrupt();
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#say();
    });
    byId('live-begin', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      this.#begin();
    });
    byId('live-ask', HTMLButtonElement).addEventListener('click', () => this.#say('ask'));
    byId('live-stop', HTMLButtonElement).addEventListener('click', () => this.#interrupt());
    byId('live-end', HTMLButtonElement).addEventListener('click', () => this.#end());
    byId('live-microphone', HTMLButtonElement).addEventListener('click', () => this.#hear());
    byId('live-play', HTMLButtonElement).addEventListener('click', () => {
      this.#press(false);
      this.picture.unmute();
    });
    const step = () => {
      if (!this.root.hidden) this.transcript.draw(this.picture.now);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** @param {string} id of a session; empty for none */
  async show(id) {
    await this.#choices();
    if (!id || id === this.id) return this.draw();
    try {
      this.#join(await getSession(id));
    } catch (error) {
      this.notice.fail(error);
      this.onsession('');
    }
  }

  /** The visitor looks elsewhere: the session goes on, unseen from here. */
  hide() {
    this.#leave();
    this.draw();
  }

  /** Whom there is to choose from, and which sessions run. */
  async #choices() {
    const [templates, voices, sessions] = await Promise.all([listTemplates(), listVoices(), listSessions()]);
    const { language } = this;
    const people = templates.data.map((/** @type {{id: string, name: string}} */ { id, name }) =>
      el('option', { value: id }, id === 'sample' ? language.t('template.sample') : name));
    fill(this.template, people);
    this.actions = new Map(templates.data.map((/** @type {{id: string, actions: string[]}} */ { id, actions }) => [id, actions]));
    /** @type {Array<{name: string, about: string, available: boolean}>} */
    const able = voices.data.filter((/** @type {{available: boolean}} */ { available }) => available);
    fill(this.voice, [
      el('option', { value: '' }, language.t('compose.voiceAuto')),
      ...able.map(({ name, about }) => el('option', { value: name }, language.knows(`voice.${name}`) ? language.t(`voice.${name}`) : about || name)),
    ]);
    const running = sessions.data.filter((/** @type {{status: string}} */ { status }) => status !== 'ended');
    byId('live-running', HTMLElement).hidden = !running.length;
    byId('live-sessions', HTMLUListElement).replaceChildren(...running.map((/** @type {Record<string, any>} */ one) =>
      el('li', {}, el('a', { class: 'quiet button', href: `#/live/${encodeURIComponent(one.id)}` },
        `${language.moment(one.created_at)} · ${language.t(`live.${one.status}`)}`))));
  }

  async #begin() {
    this.notice.say('');
    this.#leave();
    this.#become('starting');
    try {
      const wanted = { ...(this.template.value && { template: this.template.value }), ...(this.voice.value && { voice: this.voice.value }) };
      this.#join(await createSession(wanted));
    } catch (error) {
      this.notice.fail(error);
      this.#become('none');
    }
  }

  /** @param {Record<string, any>} session as the server tells it */
  #join(session) {
    this.#leave();
    this.id = session.id;
    this.onsession(this.id);
    this.transcript.clear();
    if (session.status === 'ended') return this.#become('over');
    this.pushes.show(this.id).catch((error) => this.notice.fail(error));
    this.#become(session.status);
    this.#shape(session.picture);
    this.#offer(this.actions.get(session.request.template) ?? []);
    this.line = new Line(address(sessionPath(this.id), 'ws'), {
      onmessage: (message) => this.#hearEvent(message),
      onlink: (open) => this.#become(open ? this.known : 'lost'),
      onover: () => this.#over(),
    });
    this.webrtc = session.webrtc;
    byId('live-ask', HTMLButtonElement).hidden = !session.chat;
    if (session.picture) this.picture.follow(this.id, this.webrtc);
  }

  #leave() {
    this.microphone.stop();
    this.line?.close();
    this.line = null;
    this.id = '';
    this.after = null;
    this.sent.clear();
    this.picture.stop();
    this.#press(false);
    this.state = 'none';
  }

  /** @param {import('./line.js').Message} message */
  #hearEvent(message) {
    const { type, data } = message;
    this.picture.hear(message);
    if (type === 'session.snapshot') this.#become(data.session.status);
    else if (type === 'session.ready') this.#ready(data);
    else if (type === 'speech.queued') {
      this.transcript.add(data.utterance, this.sent.get(data.ref) ?? '');
      this.sent.delete(data.ref);
    } else if (type === 'speech.started') {
      this.after = data.after_s ?? null;
      this.#become('speaking');
    } else if (type === 'speech.word') this.transcript.word(data);
    else if (type === 'speech.ended') this.transcript.end(data);
    else if (type === 'session.idle') this.#become('idle');
    else if (type === 'push.changed') this.pushes.hear(data.push);
    else if (type === 'error') this.notice.fail(data);
    else if (type === 'session.ended') this.#over(data.error);
  }

  /** @param {{width: number, height: number}} picture */
  #ready(picture) {
    this.#shape(picture);
    if (!this.picture.lasting) this.picture.follow(this.id, this.webrtc);
    this.#become('idle');
  }

  /** @param {unknown} [error] */
  #over(error) {
    this.microphone.stop();
    this.picture.end();
    this.#press(false);
    this.line?.close();
    this.line = null;
    if (error) this.notice.fail(error);
    this.#become('over');
    this.#choices().catch(() => {}); // it no longer runs; the page tells of a lost server elsewhere
  }

  /** @param {'say' | 'ask'} [type] whether it is said, or answered by the language model */
  #say(type = 'say') {
    const text = this.text.value.trim();
    if (!text || !this.line) return;
    const ref = `say-${(this.refs += 1)}`;
    if (!this.line.send({ type, text, ref })) return this.notice.fail(new ApiError(0, { message: '' }));
    if (type === 'say') this.sent.set(ref, text); // of an answer the words are told as they sound
    this.notice.say('');
    this.text.value = '';
  }

  #interrupt() {
    this.line?.send({ type: 'interrupt' });
  }

  /** A button for each action; talking comes by itself. @param {string[]} actions */
  #offer(actions) {
    const buttons = actions.filter((name) => name !== 'talk').map((name) => {
      const button = el('button', { type: 'button', class: 'quiet small' }, name);
      button.addEventListener('click', () => this.line?.send({ type: 'action', name }));
      return button;
    });
    const offered = byId('live-actions', HTMLElement);
    offered.hidden = !buttons.length;
    offered.replaceChildren(...buttons);
  }

  async #hear() {
    this.notice.say('');
    if (this.microphone.on) {
      this.microphone.stop();
      this.line?.send({ type: 'audio.done' });
      return this.draw();
    }
    try {
      await this.microphone.start();
    } catch (error) {
      this.microphone.stop();
      const none = error instanceof DOMException && error.name === 'NotFoundError';
      this.notice.fail(new ApiError(0, { code: 'empty', message: this.language.t(none ? 'sound.none' : 'sound.denied') }));
    }
    this.draw();
  }

  async #end() {
    const { id } = this;
    try {
      if (id) await deleteSession(id);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) return this.notice.fail(error);
    }
    this.picture.end();
    this.#leave();
    this.onsession('');
    this.show('').catch((error) => this.notice.fail(error));
  }

  /** @param {{width: number, height: number} | null | undefined} picture */
  #shape(picture) {
    if (picture) byId('live-screen', HTMLElement).style.setProperty('--ratio', String(picture.width / picture.height));
  }

  /** @param {boolean} wanted the picture is silent until this is pressed */
  #press(wanted) {
    byId('live-play', HTMLButtonElement).hidden = !wanted;
  }

  /** By which way it is watched. */
  #showWay() {
    const way = this.state === 'over' ? '' : this.picture.way;
    setText(byId('live-way', HTMLElement), way && this.language.t(`live.${way}`));
  }

  /** @param {State} state */
  #become(state) {
    if (state !== 'lost') this.known = state;
    this.state = state;
    this.draw();
  }

  /** Show what is so now. */
  draw() {
    const { language, state } = this;
    const there = !['none', 'over', 'starting'].includes(state);
    byId('live-begin', HTMLFormElement).hidden = there;
    byId('live-form', HTMLFormElement).hidden = !there;
    byId('live-start', HTMLButtonElement).setAttribute('aria-disabled', String(state === 'starting'));
    const status = byId('live-status', HTMLElement);
    setText(status, language.t(`live.${state}`));
    status.dataset.tone = { speaking: 'in_progress', idle: 'completed', lost: 'failed' }[/** @type {string} */ (state)] ?? 'idle';
    const after = this.after === null ? '' : language.t('live.after', { value: language.milliseconds(this.after * 1000) });
    setText(byId('live-after', HTMLElement), after);
    const microphone = byId('live-microphone', HTMLButtonElement);
    microphone.hidden = !canListen();
    microphone.setAttribute('aria-pressed', String(this.microphone.on));
    microphone.toggleAttribute('data-recording', this.microphone.on);
    setText(microphone, language.t(this.microphone.on ? 'live.microphoneOff' : 'live.microphone'));
    this.#showWay();
    this.pushes.draw();
    this.notice.draw();
  }
}

/** Other choices, and the same chosen as before, if it is still there. @param {HTMLSelectElement} select @param {HTMLOptionElement[]} options */
function fill(select, options) {
  const before = select.value;
  select.replaceChildren(...options);
  select.value = before;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}
