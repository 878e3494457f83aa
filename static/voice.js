/** The voice that is chosen: what is known of it, and how it sounds before anything is made with it. */

import { ApiError, speak } from './api.js';
import { byId, setText } from './dom.js';

/** Characters of the text that are spoken to try a voice. */
const LINE = 120;

export class VoiceTrial {
  /**
   * @param {import('./i18n.js').Language} language
   * @param {{wanted: () => {text: string, voice: string, speed: number}, known: () => import('./composer.js').Voice | undefined, complain: (error: ApiError | null) => void}} composer
   */
  constructor(language, { wanted, known, complain }) {
    this.language = language;
    this.wanted = wanted;
    this.known = known;
    this.complain = complain;
    this.button = byId('voice-listen', HTMLButtonElement);
    this.note = byId('voice-note', HTMLElement);
    this.heard = byId('voice-heard', HTMLAudioElement);
    /** What is being fetched. @type {AbortController | null} */
    this.asking = null;
    this.button.addEventListener('click', () => (this.busy ? this.stop() : this.listen()));
    for (const event of ['ended', 'pause', 'play']) this.heard.addEventListener(event, () => this.draw());
    this.draw();
  }

  get busy() {
    return this.asking !== null || !this.heard.paused;
  }

  /** Say the beginning of the text, or a line of ours, in the chosen voice. */
  async listen() {
    const { text, voice, speed } = this.wanted();
    const asking = (this.asking = new AbortController());
    this.complain(null);
    this.draw();
    try {
      const line = beginning(text) || this.language.t('compose.sample');
      const sound = await speak({ input: line, speed, ...(voice && { voice }) }, asking.signal);
      if (asking.signal.aborted) return;
      URL.revokeObjectURL(this.heard.src);
      this.heard.src = URL.createObjectURL(sound);
      await this.heard.play();
    } catch (error) {
      if (!asking.signal.aborted && error instanceof ApiError) this.complain(error);
    } finally {
      if (this.asking === asking) this.asking = null;
      this.draw();
    }
  }

  stop() {
    this.asking?.abort();
    this.asking = null;
    this.heard.pause();
    this.draw();
  }

  /** In the language and for the voice that are chosen now. */
  draw() {
    const { language } = this;
    setText(this.button, language.t(this.busy ? 'voice.stop' : 'voice.listen'));
    const voice = this.known();
    const facts = voice
      ? [
          voice.quality && language.knows(`quality.${voice.quality}`) ? language.t(`quality.${voice.quality}`) : '',
          voice.languages.map((one) => (language.knows(`language.${one}`) ? language.t(`language.${one}`) : one)).join(', '),
          voice.licence,
        ]
      : [];
    setText(this.note, facts.filter(Boolean).join(' · '));
  }
}

/** The first sentence or two of a text, cut between words. @param {string} text */
export function beginning(text) {
  const trimmed = text.trim();
  if (trimmed.length <= LINE) return trimmed;
  const cut = trimmed.slice(0, LINE);
  const ends = [...cut.matchAll(/[.!?。！？]/g)].map(({ index }) => index + 1);
  return cut.slice(0, ends.at(-1) ?? (cut.lastIndexOf(' ') > LINE / 2 ? cut.lastIndexOf(' ') : LINE));
}
