/** The form: what should be said, as a text or as a recording, by whom, in which voice; or a video to be made clearer. */

import { ApiError, createEnhancement, createLipsync, createVideo, listEngines, listVoices } from './api.js';
import { Background } from './background.js';
import { Cloning } from './cloning.js';
import { byId, el, setText } from './dom.js';
import { Notice } from './notice.js';
import { Picker } from './picker.js';
import { Reading } from './reading.js';
import { Recording } from './recording.js';
import { VoiceTrial } from './voice.js';

/** Kinds of engines that may be chosen, where there is a choice. */
const CHOICES = ['lipsync', 'enhance'];

/**
 * @typedef {{name: string, languages: string[], about?: string, available: boolean, reference: object | null, quality?: string, licence?: string}} Voice
 * @typedef {(onprogress: (share: number) => void) => Promise<any>} Send has a job made of what the form says
 * @typedef {{feed: import('./feed.js').Feed, language: import('./i18n.js').Language}} Context
 */

export class Composer {
  /**
   * @param {Context} context
   * @param {{onspeak: (send: Send, recorded?: number | null) => void, ontemplate: (template: import('./picker.js').Template | null) => void}} listeners
   */
  constructor(context, { onspeak, ontemplate }) {
    this.language = context.language;
    this.form = byId('compose', HTMLFormElement);
    this.text = byId('text', HTMLTextAreaElement);
    this.voice = byId('voice', HTMLSelectElement);
    this.speed = byId('speed', HTMLInputElement);
    this.pitch = byId('pitch', HTMLInputElement);
    this.fps = byId('fps', HTMLSelectElement);
    this.size = byId('size', HTMLSelectElement);
    this.enhance = byId('enhance', HTMLInputElement);
    this.spoken = byId('spoken', HTMLSelectElement);
    this.burn = byId('burn', HTMLInputElement);
    this.still = byId('still', HTMLSelectElement);
    this.seed = byId('seed', HTMLInputElement);
    this.webhook = byId('webhook', HTMLInputElement);
    this.format = byId('format', HTMLSelectElement);
    this.label = byId('label', HTMLSelectElement);
    this.engines = new Map(CHOICES.map((kind) => [kind, byId(`engine-${kind}`, HTMLSelectElement)]));
    this.button = byId('speak', HTMLButtonElement);
    this.problem = new Notice(byId('problem', HTMLElement), context.language);
    this.bySound = byId('said-sound', HTMLInputElement);
    this.byVideo = byId('said-video', HTMLInputElement);
    this.clearer = byId('clearer-file', HTMLInputElement);
    this.recording = new Recording(this.form, context.language, () => this.#say('sound'));
    this.picker = new Picker(
      { root: byId('picker', HTMLElement), faces: byId('picker-faces', HTMLElement), note: byId('picker-note', HTMLElement), rename: byId('picker-rename', HTMLButtonElement), remove: byId('picker-remove', HTMLButtonElement) },
      context,
      (template) => {
        byId('still-field', HTMLElement).hidden = !isPicture(template);
        ontemplate(template);
      },
    );
    this.background = new Background(context, {
      chosen: () => this.picker.chosen,
      onmade: (id) => this.picker.load().then(() => this.picker.choose(id)),
    });
    /** @type {Voice[]} */
    this.voices = [];
    this.trial = new VoiceTrial(context.language, {
      wanted: () => ({ text: this.text.value, voice: this.voice.value, speed: Number(this.speed.value) }),
      known: () => this.voices.find(({ name }) => name === this.voice.value),
      complain: (error) => this.complain(error),
    });
    this.cloning = new Cloning(context.language, (voice) =>
      this.#loadVoices().then(() => voice.available && (this.voice.value = voice.name)).then(() => this.trial.draw()));
    this.reading = new Reading(context.language, () => ({ text: this.text.value, language: this.spoken.value }));
    /** The text is ours as long as nobody has touched it, and then changes with the language. */
    this.untouched = true;
    this.busy = false;
    this.#listen(onspeak);
    this.draw();
  }

  /** @param {(send: Send, recorded?: number | null) => void} onspeak */
  #listen(onspeak) {
    this.form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (this.busy) return;
      this.complain(null);
      if (this.bySound.checked) {
        await this.recording.finish();
        const { file, seconds } = this.recording;
        if (file) return onspeak((sending) => createLipsync(file, this.request, sending), seconds);
        return this.#lacks('sound.empty', 'audio');
      }
      if (this.byVideo.checked) {
        const video = this.clearer.files?.[0];
        return video ? onspeak((sending) => createEnhancement(video, sending)) : this.#lacks('clearer.empty', 'file');
      }
      if (this.text.value.trim()) return onspeak(() => createVideo(this.request));
      this.#lacks('compose.empty', 'text');
    });
    this.form.addEventListener('change', ({ target }) => {
      if (target instanceof HTMLInputElement && target.name === 'said') this.#say(target.value);
    });
    this.clearer.addEventListener('change', () => this.#values());
    this.text.addEventListener('input', () => {
      this.untouched = false;
      this.#values();
      this.reading.look();
    });
    this.spoken.addEventListener('change', () => this.reading.look());
    this.form.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
    });
    this.speed.addEventListener('input', () => this.#values());
    this.pitch.addEventListener('input', () => this.#values());
    this.voice.addEventListener('change', () => this.trial.stop());
    // Back from elsewhere: what was added there, or by others, should be here.
    window.addEventListener('focus', () => this.load().catch(() => {}));
  }

  /** Ask the server what there is to choose from. */
  async load() {
    await Promise.all([this.#loadVoices(), this.picker.load(), this.#loadEngines()]);
  }

  /** Engines are offered where there are several that can run. */
  async #loadEngines() {
    /** @type {Array<{name: string, kind: string, available: boolean}>} */
    const all = (await listEngines()).data;
    for (const [kind, select] of this.engines) {
      const names = all.filter((one) => one.kind === kind && one.available).map(({ name }) => name);
      const chosen = select.value;
      const options = names.map((name) => el('option', { value: name }, name));
      select.replaceChildren(el('option', { value: '' }, this.language.t('compose.voiceAuto')), ...options);
      select.value = names.includes(chosen) ? chosen : '';
      /** @type {HTMLElement} */ (select.parentElement).hidden = names.length < 2;
    }
  }

  async #loadVoices() {
    /** @type {Voice[]} */
    const all = (await listVoices()).data;
    this.voices = all.filter(({ available }) => available);
    this.#voices();
  }

  /** What the form asks for, as `POST /v1/videos` takes it; of a recording, as `POST /v1/lipsync` does. */
  get request() {
    const { template } = this.picker;
    const look = {
      ...(this.fps.value && { fps: Number(this.fps.value) }),
      ...(this.size.value && template && { size: scaled(template, Number(this.size.value)) }),
      enhance: this.enhance.checked,
      ...(this.burn.checked && { burn_subtitles: true }),
      ...(this.still.value && isPicture(template) && { still: this.still.value === 'true' }),
      ...(Number(this.seed.value) && { seed: Number(this.seed.value) }),
      ...(this.format.value !== 'mp4' && { format: this.format.value }),
      ...(this.label.value && { label: this.label.value }),
      ...([...this.engines.values()].some(({ value }) => value) && { engines: this.#chosen() }),
    };
    const webhook = this.webhook.value.trim();
    const who = { ...(this.picker.chosen && { template: this.picker.chosen }), ...(webhook && { webhook_url: webhook }) };
    if (this.bySound.checked) return { ...who, options: look };
    return {
      text: this.text.value,
      ...who,
      ...(this.voice.value && { voice: this.voice.value }),
      ...(this.spoken.value !== 'auto' && { language: this.spoken.value }),
      ...(this.reading.lines.length && { readings: this.reading.lines }),
      options: { ...look, speed: Number(this.speed.value), pitch: Number(this.pitch.value) },
    };
  }

  /** Engines by kind, those that were chosen. */
  #chosen() {
    return Object.fromEntries([...this.engines].filter(([, { value }]) => value).map(([kind, { value }]) => [kind, value]));
  }

  /** @param {string} text what to do first @param {string} param */
  #lacks(text, param) {
    this.complain(new ApiError(0, { code: 'empty', message: this.language.t(text), param }));
  }

  /** Whether it is said as `text` or as `sound`, or nothing is and a `video` made clearer. @param {string} how */
  #say(how) {
    byId(`said-${how}`, HTMLInputElement).checked = true;
    byId('sound', HTMLElement).hidden = how !== 'sound';
    byId('clearer', HTMLElement).hidden = how !== 'video';
    // What is a matter of the voice alone goes with the text.
    for (const id of ['text-field', 'voice-field', 'speed-field', 'pitch-field']) byId(id, HTMLElement).hidden = how !== 'text';
    for (const id of ['template-field', 'options']) byId(id, HTMLElement).hidden = how === 'video';
    this.#values();
    this.complain(null);
  }

  /**
   * Fill the form with an earlier request.
   * @param {Record<string, any>} request
   */
  restore({ text, template, voice, language, readings, webhook_url, options = {} }) {
    this.untouched = false;
    this.text.value = text ?? '';
    this.#say(text == null ? 'sound' : 'text');
    this.picker.choose(template ?? '');
    this.voice.value = voice ?? '';
    this.speed.value = String(options.speed ?? 1);
    this.pitch.value = String(options.pitch ?? 0);
    this.fps.value = String(options.fps ?? '');
    this.size.value = options.size ? String(Math.min(...options.size.split('x').map(Number))) : '';
    this.enhance.checked = options.enhance ?? true;
    this.spoken.value = language ?? 'auto';
    this.burn.checked = options.burn_subtitles ?? false;
    this.still.value = String(options.still ?? '');
    this.seed.value = String(options.seed ?? 0);
    this.webhook.value = webhook_url ?? '';
    this.format.value = options.format ?? 'mp4';
    this.label.value = options.label ?? '';
    this.reading.restore(readings);
    for (const [kind, select] of this.engines) {
      select.value = options.engines?.[kind] ?? '';
      if (select.selectedIndex < 0) select.value = ''; // `auto`, or one that is not here any more
    }
    this.#values();
  }

  /** A job is being made: one at a time from here. @param {boolean} busy */
  lock(busy) {
    this.busy = busy;
    // Not `disabled`: that would throw the keyboard's focus away.
    this.button.setAttribute('aria-disabled', String(busy));
  }

  /** What the button says. @param {boolean} now what the form says is on its way */
  sending(now) {
    const name = now ? 'compose.starting' : this.byVideo.checked ? 'clearer.start' : 'compose.speak';
    setText(byId('speak-text', HTMLElement), this.language.t(name));
  }

  /** Say what was wrong, next to where it was. @param {ApiError | null} error */
  complain(error) {
    if (error) this.problem.fail(error);
    else this.problem.say('');
    for (const field of [this.text, this.webhook]) field.removeAttribute('aria-invalid');
    const wrong = { text: this.text, webhook_url: this.webhook }[error?.param ?? ''];
    if (!wrong) return;
    const fold = wrong.closest('details');
    if (fold) fold.open = true;
    wrong.setAttribute('aria-invalid', 'true');
    wrong.focus();
  }

  /** Write everything anew, in the present language. */
  draw() {
    if (this.untouched) this.text.value = this.language.t('compose.sample');
    this.picker.draw();
    this.background.draw();
    this.cloning.draw();
    this.recording.draw();
    this.problem.draw();
    this.#voices();
    this.#values();
  }

  #values() {
    const { language } = this;
    setText(byId('count', HTMLElement), language.t('compose.count', { count: language.number([...this.text.value].length) }));
    this.sending(false);
    setText(byId('clearer-name', HTMLElement), this.clearer.files?.[0]?.name ?? language.t('clearer.hint'));
    const speed = Number(this.speed.value);
    setText(byId('speed-value', HTMLElement), language.t('fact.times', { value: language.number(speed, 2) }));
    const pitch = language.number(Number(this.pitch.value));
    setText(byId('pitch-value', HTMLElement), language.t('compose.semitones', { value: pitch }));
  }

  #voices() {
    const { language, voice } = this;
    const chosen = voice.value;
    const options = this.voices.map((one) => el('option', { value: one.name }, this.#voiceName(one)));
    voice.replaceChildren(el('option', { value: '' }, language.t('compose.voiceAuto')), ...options);
    voice.value = chosen;
    if (voice.selectedIndex < 0) voice.value = '';
    this.trial.draw();
  }

  /** @param {Voice} voice @returns {string} */
  #voiceName({ name, about, languages, reference, quality }) {
    const { language } = this;
    if (reference) return name; // a cloned one: its owner named it
    const words = language.knows(`voice.${name}`) ? language.t(`voice.${name}`) : about || name;
    const [only, ...others] = languages;
    const facts = [
      only && !others.length && language.knows(`language.${only}`) ? language.t(`language.${only}`) : '',
      quality === 'robotic' ? language.t('quality.robotic') : '',
    ].filter(Boolean).join(', ');
    return facts ? `${words} (${facts})` : words;
  }
}

/** Whether it was made of a single picture. @param {import('./picker.js').Template | null} template */
function isPicture(template) {
  return template?.duration_s === 0;
}

/**
 * A template's picture with this short side, as "1280x720"; encoders want even numbers.
 * @param {{width: number, height: number}} template
 * @param {number} short
 */
function scaled({ width, height }, short) {
  const even = (/** @type {number} */ side) => 2 * Math.round((side * short) / Math.min(width, height) / 2);
  return `${even(width)}x${even(height)}`;
}
