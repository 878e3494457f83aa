/** What went wrong, in the reader's language, and the server's own words for the particulars. */

import { ApiError } from './api.js';

/** The server's codes by the text that says in general what they mean.
 * @type {Record<string, string>}
 */
const MEANING = {
  no_face: 'noFace',
  no_faces: 'noFace',
  empty_file: 'emptyFile',
  malformed_media: 'file',
  not_media: 'file',
  wrong_media: 'file',
  not_a_picture: 'file',
  no_video: 'file',
  unsupported: 'file',
  unsupported_media_type: 'file',
  audio_only: 'file',
  no_audio: 'noSpeech',
  no_speech: 'noSpeech',
  reference_audio: 'recording',
  reference_clipped: 'recording',
  reference_silent: 'recording',
  reference_steady: 'recording',
  reference_too_little_speech: 'recording',
  reference_too_short: 'recording',
  media_too_long: 'tooLong',
  reference_too_long: 'tooLong',
  text_too_long: 'tooLong',
  too_large: 'tooLarge',
  payload_too_large: 'tooLarge',
  url_too_large: 'tooLarge',
  bad_url: 'url',
  url_not_allowed: 'url',
  url_refused: 'url',
  url_unreachable: 'url',
  url_too_slow: 'url',
  fetching_off: 'url',
  template_exists: 'nameTaken',
  voice_exists: 'nameTaken',
  unknown_template: 'noTemplate',
  unknown_voice: 'noVoice',
  engine_unavailable: 'engine',
  unsupported_language: 'language',
  nothing_to_say: 'nothingToSay',
  empty_text: 'nothingToSay',
  too_many_jobs: 'busy',
  too_many_sockets: 'busy',
  stopping: 'stopping',
  storage_full: 'full',
  out_of_memory: 'memory',
  speech_server: 'speech',
  speech_fault: 'speech',
  crash_loop: 'crashed',
};

/**
 * @param {import('./i18n.js').Language} language
 * @param {unknown} error
 * @returns {{title: string, detail: string}} either may be empty
 */
export function explain(language, error) {
  if (!(error instanceof ApiError)) {
    const { code = '', message = String(error) } = /** @type {{code?: string, message?: string}} */ (error ?? {});
    return { title: code in MEANING ? language.t(`failed.${MEANING[code]}`) : '', detail: message };
  }
  if (error.code === 'empty') return { title: '', detail: error.message };
  if (!error.status) return { title: language.t('failed.unreachable'), detail: '' };
  const meaning = error.param === 'webhook_url' ? 'webhook' : MEANING[error.code] ?? 'request';
  return { title: language.t(`failed.${meaning}`), detail: error.message };
}
