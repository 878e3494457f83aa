/** The server's HTTP interface, as far as the page uses it. Addresses are relative: it works behind a path prefix. */

/** What the server answered instead of a result; `message` is its own, for people. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 if there was no answer
   * @param {{code?: string, message?: string, param?: string | null}} problem
   */
  constructor(status, problem) {
    super(problem.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = problem.code ?? 'unreachable';
    this.param = problem.param ?? null;
  }
}

/**
 * Absolute address of a path of the server.
 * @param {string} path
 * @param {'http' | 'ws'} [scheme]
 */
export function address(path, scheme = 'http') {
  // The server puts the prefix before its addresses if it knows of it (`public_url`).
  const prefix = new URL('.', document.baseURI).pathname;
  const below = path.startsWith(prefix) ? path.slice(prefix.length) : path.replace(/^\//, '');
  const url = new URL(below, document.baseURI);
  if (scheme === 'ws') url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>} the JSON answered, or null if there was no body
 */
async function call(path, init) {
  let response;
  try {
    response = await fetch(address(path), init);
  } catch (error) {
    throw new ApiError(0, { message: String(error) });
  }
  return answer(response.status, await response.text());
}

/** @param {number} status @param {string} text */
function answer(status, text) {
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    // Not from our server: a proxy's error page. The status says enough.
  }
  if (status === 401) location.reload(); // the cookie has ended: the server shows its form for a key
  if (status < 200 || status >= 300) throw new ApiError(status, body?.error ?? {});
  return body;
}

/** Whether a key was shown to come in; its cookie is not for scripts, this one is for them alone. */
export const signedIn = () => document.cookie.includes('lipstream-signed-in=');

/** Give the cookie back. */
export const logout = () => fetch(address('logout'), { method: 'POST', redirect: 'manual' });

/** @param {object} body @returns {RequestInit} */
const json = (body) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});

/** @param {string} id */
const jobPath = (id) => `v1/jobs/${encodeURIComponent(id)}`;

export const createVideo = (/** @type {object} */ request) => call('v1/videos', json(request));
export const getJob = (/** @type {string} */ id) => call(jobPath(id));
/** Newest first. @param {string} [after] those made before this one */
export const listJobs = (after = '') =>
  call(`v1/jobs?limit=100${after && `&after=${encodeURIComponent(after)}`}`);
export const cancelJob = (/** @type {string} */ id) => call(`${jobPath(id)}/cancel`, { method: 'POST' });
export const listTemplates = () => call('v1/templates');
export const getCluster = () => call('v1/cluster');
/**
 * A text, spoken.
 * @param {object} request as `POST /v1/audio/speech` takes it
 * @param {AbortSignal} signal
 * @returns {Promise<Blob>}
 */
export async function speak(request, signal) {
  let response;
  try {
    response = await fetch(address('v1/audio/speech'), { ...json(request), signal });
    if (response.ok) return await response.blob();
  } catch (error) {
    throw new ApiError(0, { message: String(error) });
  }
  return answer(response.status, await response.text());
}
export const deleteJob = (/** @type {string} */ id) => call(jobPath(id), { method: 'DELETE' });
export const listVoices = () => call('v1/voices');
/** How a text will be read. @param {object} request */
export const previewSpeech = (request) => call('v1/speech/preview', json(request));
/** An address of a file that works for others. @param {string} id @param {string} name */
export const linkOf = (id, name) => call(`${outputPath(id, name)}/link`);
export const listEngines = () => call('v1/engines');
/** Give a presenter another name. @param {string} id @param {string} name */
export const renameTemplate = (id, name) =>
  call(`v1/templates/${encodeURIComponent(id)}`, { ...json({ name }), method: 'PATCH' });
export const removeTemplate = (/** @type {string} */ id) =>
  call(`v1/templates/${encodeURIComponent(id)}`, { method: 'DELETE' });

/**
 * Have a presenter made of another one before another background; a job whose `template` is the new one.
 * @param {string} id
 * @param {object} request
 * @param {File} [image]
 */
export const createBackground = (id, request, image) => {
  const path = `v1/templates/${encodeURIComponent(id)}/backgrounds`;
  if (!image) return call(path, json(request));
  return upload(path, { request: JSON.stringify(request), image }, () => {});
};

export const streamPath = (/** @type {string} */ id) => `${jobPath(id)}/stream`;
export const outputPath = (/** @type {string} */ id, /** @type {string} */ name) =>
  `${jobPath(id)}/outputs/${encodeURIComponent(name)}`;
export const subtitlesPath = (/** @type {string} */ id) => `${jobPath(id)}/subtitles.srt`;

/**
 * Send a form, telling how much of it has gone out.
 * @param {string} path
 * @param {Record<string, Blob | string>} parts
 * @param {(share: number) => void} onprogress share of the bytes sent, 0 to 1
 * @returns {Promise<any>} the JSON answered
 */
function upload(path, parts, onprogress) {
  const form = new FormData();
  for (const [name, part] of Object.entries(parts)) form.append(name, part);
  // fetch does not tell how much of a body has been sent.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.upload.onprogress = (event) => event.lengthComputable && onprogress(event.loaded / event.total);
    request.onerror = () => reject(new ApiError(0, { message: 'the connection broke during the upload' }));
    request.onload = () => {
      try {
        resolve(answer(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    };
    request.open('POST', address(path));
    request.send(form);
  });
}

/**
 * Upload a video or picture as a new template; its preparation is a job.
 * @param {File} file
 * @param {string} face whose face is meant
 * @param {(share: number) => void} onprogress
 */
export const uploadTemplate = (file, face, onprogress) => upload('v1/templates', { file, face }, onprogress);

/**
 * Who is to be seen in a video or picture.
 * @param {File} file
 * @param {(share: number) => void} onprogress
 * @returns {Promise<import('./faces.js').People>}
 */
export const findFaces = (file, onprogress) => upload('v1/templates/faces', { file }, onprogress);

/**
 * Have a recording spoken.
 * @param {File} audio
 * @param {object} request
 * @param {(share: number) => void} onprogress
 * @returns {Promise<any>} the job
 */
export const createLipsync = (audio, request, onprogress) =>
  upload('v1/lipsync', { request: JSON.stringify(request), audio }, onprogress);

/**
 * Have the faces of a video made clearer.
 * @param {File} file
 * @param {(share: number) => void} onprogress
 * @returns {Promise<any>} the job
 */
export const createEnhancement = (file, onprogress) => upload('v1/enhancements', { file }, onprogress);

/**
 * Have a voice cloned from a recording.
 * @param {File} audio
 * @param {Record<string, string>} texts name, text, language
 * @param {(share: number) => void} onprogress
 * @returns {Promise<import('./composer.js').Voice>}
 */
export const createVoice = (audio, texts, onprogress) => upload('v1/voices', { ...texts, audio }, onprogress);

export const listBatches = () => call('v1/batches');
/** Have a video made of each line of a file. @param {File} file */
export const createBatch = (file) =>
  call('v1/batches', { method: 'POST', body: file, headers: { 'Content-Type': 'application/jsonl' } });
export const cancelBatch = (/** @type {string} */ id) =>
  call(`v1/batches/${encodeURIComponent(id)}/cancel`, { method: 'POST' });

export const sessionPath = (/** @type {string} */ id) => `v1/sessions/${encodeURIComponent(id)}`;
export const listSessions = () => call('v1/sessions');
export const getSession = (/** @type {string} */ id) => call(sessionPath(id));
export const createSession = (/** @type {object} */ request) => call('v1/sessions', json(request));
/**
 * Have a session shown by WebRTC.
 * @param {string} id
 * @param {string} offer SDP
 * @returns {Promise<{answer: string, place: string}>} SDP, and what is deleted by who leaves
 */
export async function createViewer(id, offer) {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offer };
  const response = await fetch(address(`${sessionPath(id)}/whep`), init);
  const text = await response.text();
  if (!response.ok) return answer(response.status, text);
  return { answer: text, place: response.headers.get('Location') ?? '' };
}
/** The page may be going away. @param {string} place */
export const deleteViewer = (place) => fetch(address(place), { method: 'DELETE', keepalive: true });
const pushPath = (/** @type {string} */ id) => `${sessionPath(id)}/push`;
export const listPushes = (/** @type {string} */ id) => call(pushPath(id));
export const createPush = (/** @type {string} */ id, /** @type {object} */ request) => call(pushPath(id), json(request));
export const deletePush = (/** @type {string} */ id, /** @type {string} */ push) =>
  call(`${pushPath(id)}/${encodeURIComponent(push)}`, { method: 'DELETE' });
export const deleteSession = (/** @type {string} */ id) => call(sessionPath(id), { method: 'DELETE' });
