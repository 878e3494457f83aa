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
  media_too_long: 'tooLong',
  reference_too_long: 'tooLong',
  text_too_long: 'tooLong',
  too_large: 'tooLarge',
  payload_too_large: 'tooLarge',
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
  return { title: language.t(`failed.${MEANING[error.code] ?? 'request'}`), detail: error.message };
}
