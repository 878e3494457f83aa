/** What should be said, as sound: a file that is chosen or dropped, or a recording made here. */

import { byId, setText } from './dom.js';

const TICK_MS = 250;

export class Recording {
  /**
   * @param {HTMLElement} target where files may be dropped
   * @param {import('./i18n.js').Language} language
   * @param {() => void} onfile a file has come, so that it should be shown
   */
  constructor(target, language, onfile) {
    this.language = language;
    this.onfile = onfile;
    this.input = byId('sound-file', HTMLInputElement);
    this.button = byId('sound-record', HTMLButtonElement);
    this.note = byId('sound-note', HTMLElement);
    this.heard = byId('sound-heard', HTMLAudioElement);
    this.remove = byId('sound-remove', HTMLButtonElement);
    /** @type {File | null} */
    this.file = null;
    /** Seconds it lasts; null while nobody knows. @type {number | null} */
    this.seconds = null;
    /** @type {MediaRecorder | null} */
    this.recorder = null;
    this.began = 0;
    this.refused = '';
    this.#listen();
    this.#drops(target);
    this.draw();
  }

  #listen() {
    this.input.addEventListener('change', () => this.input.files?.[0] && this.take(this.input.files[0]));
    this.button.addEventListener('click', () => (this.recorder ? this.finish() : this.#record()));
    this.remove.addEventListener('click', () => {
      this.take(null);
      this.input.focus(); // this button is gone
    });
    this.heard.addEventListener('loadedmetadata', () => {
      // What a browser has recorded itself does not say how long it is.
      if (Number.isFinite(this.heard.duration)) this.seconds = this.heard.duration;
    });
  }

  /** @param {HTMLElement} target */
  #drops(target) {
    const over = (/** @type {boolean} */ shown) => target.toggleAttribute('data-dropping', shown);
    target.addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      over(true);
    });
    target.addEventListener('dragleave', (event) => {
      if (!target.contains(/** @type {Node | null} */ (event.relatedTarget))) over(false);
    });
    target.addEventListener('drop', (event) => {
      over(false);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      this.take(file);
    });
  }

  /** @param {File | null} file @param {number | null} [seconds] how long it lasts, if that is known */
  take(file, seconds = null) {
    this.file = file;
    this.seconds = seconds;
    this.refused = '';
    this.input.value = '';
    if (this.heard.src) URL.revokeObjectURL(this.heard.src);
    if (file) this.heard.src = URL.createObjectURL(file);
    else this.heard.removeAttribute('src');
    this.draw();
    if (file) this.onfile();
  }

  async #record() {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      this.#begin(stream);
    } catch (error) {
      this.refused = error instanceof DOMException && error.name === 'NotFoundError' ? 'sound.none' : 'sound.denied';
      this.draw();
    }
  }

  /** @param {MediaStream} stream */
  #begin(stream) {
    this.take(null);
    const recorder = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const pieces = [];
    const clock = setInterval(() => this.draw(), TICK_MS);
    recorder.addEventListener('dataavailable', ({ data }) => pieces.push(data));
    recorder.addEventListener('stop', () => {
      clearInterval(clock);
      for (const track of stream.getTracks()) track.stop(); // the browser shows a microphone until then
      this.recorder = null;
      const type = recorder.mimeType || 'audio/webm';
      const name = `${this.language.t('sound.name')}.${type.includes('mp4') ? 'm4a' : 'webm'}`;
      this.take(new File(pieces, name, { type }), (performance.now() - this.began) / 1000);
    });
    this.recorder = recorder;
    this.began = performance.now();
    recorder.start();
    this.draw();
  }

  /** End a recording, if one is being made; after that there is a file. */
  async finish() {
    const { recorder } = this;
    if (!recorder) return;
    const stopped = new Promise((resolve) => recorder.addEventListener('stop', resolve, { once: true }));
    recorder.stop();
    await stopped;
  }

  /** Write everything anew, in the present language. */
  draw() {
    const { language, recorder, file } = this;
    // Only pages of this machine, and those that come encrypted, are given a microphone.
    this.button.hidden = !navigator.mediaDevices || !('MediaRecorder' in globalThis);
    const elapsed = language.seconds((performance.now() - this.began) / 1000);
    setText(this.button, recorder ? language.t('sound.stop', { seconds: elapsed }) : language.t('sound.record'));
    this.button.toggleAttribute('data-recording', Boolean(recorder));
    setText(this.note, this.refused ? language.t(this.refused) : (file?.name ?? language.t('sound.drop')));
    this.heard.hidden = !file;
    this.remove.hidden = !file;
  }
}
