/** A voice of one's own: a recording of a person who agrees, what they say in it, and a name. */

import { ApiError, createVoice } from './api.js';
import { byId, setText } from './dom.js';
import { Notice } from './notice.js';

export class Cloning {
  /**
   * @param {import('./i18n.js').Language} language
   * @param {(voice: import('./composer.js').Voice) => void} onmade
   */
  constructor(language, onmade) {
    this.language = language;
    this.onmade = onmade;
    this.file = byId('cloning-file', HTMLInputElement);
    this.text = byId('cloning-text', HTMLInputElement);
    this.tongue = byId('cloning-language', HTMLSelectElement);
    this.name = byId('cloning-as', HTMLInputElement);
    this.consent = byId('cloning-consent', HTMLInputElement);
    this.button = byId('cloning-make', HTMLButtonElement);
    this.notice = new Notice(byId('cloning-note', HTMLElement), language);
    this.sending = false;
    this.file.addEventListener('change', () => this.draw());
    this.button.addEventListener('click', () => this.#make());
    for (const field of [this.text, this.name]) {
      field.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter') return;
        event.preventDefault(); // it stands in the form that speaks
        this.#make();
      });
    }
  }

  /** Write everything anew, in the present language. */
  draw() {
    setText(byId('cloning-name', HTMLElement), this.file.files?.[0]?.name ?? '');
    this.button.setAttribute('aria-disabled', String(this.sending));
    this.notice.draw();
  }

  async #make() {
    if (this.sending) return;
    const audio = this.file.files?.[0];
    const lacks = !audio ? 'cloning.noFile' : !this.name.value.trim() ? 'cloning.noName' : !this.consent.checked ? 'cloning.noConsent' : '';
    if (!audio || lacks) return this.notice.fail(new ApiError(0, { code: 'empty', message: this.language.t(lacks) }));
    this.sending = true;
    const texts = { name: this.name.value.trim(), text: this.text.value.trim(), language: this.tongue.value };
    try {
      const voice = await createVoice(audio, texts, (share) =>
        this.notice.say(share < 1 ? 'cloning.sending' : 'cloning.checking', { percent: this.language.tens(share) }));
      this.notice.say(voice.available ? 'cloning.ready' : 'cloning.kept', { name: voice.name });
      this.file.value = '';
      this.consent.checked = false;
      this.onmade(voice);
    } catch (error) {
      this.notice.fail(error);
    } finally {
      this.sending = false;
      this.draw();
    }
  }
}
