/**
 * What is known of one job, put together from its events.
 *
 * Knows no element and no socket: events go in, questions are answered.
 */

/**
 * @typedef {{type: string, seq: number, ts: number, job_id?: string, data: any}} Message an event as the server sends it
 * @typedef {{state: string, done: number, total: number | null, rate: number, queue_depth: number}} Stage
 * @typedef {{index: number, start_s: number, end_s: number, text: string}} Cue
 * @typedef {{name: string, kind: string, url: string, bytes: number}} Output
 * @typedef {{code: string, message: string, stage?: string | null, retryable?: boolean}} Failure
 * @typedef {{state: 'uploading' | 'published' | 'failed', error?: Failure | null}} Publication
 */

/** The stages in the order a job meets them: no kind of job has them all. */
export const STAGES = [
  'paint', 'matte', 'compose', 'enlarge', 'prepare', 'decode', 'background', 'tts', 'faces', 'lipsync', 'enhance', 'encode', 'upload',
];

/** Those that a job is known to have before the server has spoken of them, by its kind.
 * @type {Record<string, string[]>}
 */
const EXPECTED = {
  video: ['prepare', 'tts', 'lipsync', 'enhance', 'encode'],
  enhancement: ['decode', 'faces', 'enhance', 'encode'],
  template: ['prepare'],
  background: ['matte', 'compose', 'prepare'],
};

const ENDS = new Map([
  ['job.completed', 'completed'],
  ['job.failed', 'failed'],
  ['job.cancelled', 'cancelled'],
]);

/** @type {Readonly<Stage>} */
const UNTOUCHED = { state: 'pending', done: 0, total: null, rate: 0, queue_depth: 0 };

export class Job {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.status = 'queued';
    this.object = 'video';
    this.title = '';
    this.template = '';
    this.createdAt = 0;
    this.startedAt = 0;
    this.progress = 0;
    this.ahead = 0;
    /** @type {Record<string, any> | null} what was asked for */
    this.request = null;
    /** @type {number | null} seconds of the recording it speaks, if this page has sent it */
    this.recorded = null;
    /** @type {Record<string, Stage>} those the server has spoken of */
    this.stages = {};
    /** @type {Map<number, Cue>} */
    this.cues = new Map();
    /** @type {{mime: string, width: number, height: number, fps: number, rate_hint: number | null} | null} */
    this.video = null;
    /** @type {Record<string, string>} */
    this.engines = {};
    /** @type {Output[]} */
    this.outputs = [];
    /** @type {Record<string, any> | null} */
    this.metrics = null;
    /** @type {Failure | null} */
    this.error = null;
    /** @type {Publication | null} what becomes of the files after the job, if they are stored elsewhere */
    this.publication = null;
    /** Server time of the latest event, in seconds: progress is measured against it. */
    this.ts = 0;
  }

  /** Nothing more will happen to this job. */
  get over() {
    return ['completed', 'failed', 'cancelled'].includes(this.status);
  }

  /** Seconds of video in the end: exact or the server's estimate; null while nobody knows. */
  get duration() {
    if (this.metrics) return this.metrics.audio_s;
    const frames = this.stage('encode').total;
    return this.video && frames ? frames / this.video.fps : null;
  }

  /** Seconds of video to reckon with: `duration`, or what the recording lasts, or a guess by the text; else null. */
  get expected() {
    const text = this.request?.text;
    return this.duration ?? this.recorded ?? (text ? spokenSeconds(text) / (this.request?.options?.speed ?? 1) : null);
  }

  /** Seconds of video that can be watched by now. */
  get made() {
    return this.reach('encode') ?? 0;
  }

  /** What kind of file its video is: mp4, webm or mov. @returns {string} */
  get format() {
    return this.request?.options?.format ?? 'mp4';
  }

  /** Its video shows a person without background. */
  get alpha() {
    return this.format !== 'mp4';
  }

  /** What its video is called once it has been downloaded. */
  get fileName() {
    return `${this.id}.${this.format}`;
  }

  /** Something comes of it that can be played. */
  get playable() {
    return this.object === 'video' || this.object === 'enhancement';
  }

  /**
   * Whether a job of this kind has such a stage.
   * @param {string} name
   */
  has(name) {
    return name in this.stages || (EXPECTED[this.object] ?? []).includes(name);
  }

  /**
   * How far a stage is; untouched if the server has not spoken of it.
   * @param {string} name
   * @returns {Stage}
   */
  stage(name) {
    return this.stages[name] ?? UNTOUCHED;
  }

  /**
   * How far into the video a stage has got, in seconds; null where that has no meaning yet.
   * @param {string} name
   * @returns {number | null}
   */
  reach(name) {
    const { state, done } = this.stage(name);
    if (state === 'finished') return this.duration;
    // All stages count in frames, but for `prepare`, whose frames are the template's.
    return this.video && name !== 'prepare' ? done / this.video.fps : null;
  }

  /**
   * How fast a stage works, in seconds of video per second; null where that has no meaning.
   * @param {string} name
   * @returns {number | null}
   */
  speed(name) {
    const { rate } = this.stage(name);
    return this.video && rate && name !== 'prepare' ? rate / this.video.fps : null;
  }

  /**
   * Take in what the server says of the job as a whole (`GET /v1/jobs/{id}`, or a snapshot).
   * @param {Record<string, any>} state
   */
  load(state) {
    this.status = state.status;
    this.object = state.object;
    this.title = state.title ?? '';
    this.template = state.template ?? '';
    this.createdAt = state.created_at ?? 0;
    this.startedAt = state.started_at ?? this.startedAt;
    this.progress = state.progress ?? 0;
    this.request = state.request ?? this.request;
    this.engines = state.engines ?? {};
    this.outputs = state.outputs ?? [];
    this.metrics = state.metrics ?? null;
    this.error = state.error ?? null;
    this.publication = state.publication ?? null;
    Object.assign(this.stages, state.stages);
  }

  /**
   * Take in an event. Feeding the same events again changes nothing.
   * @param {Message} message
   */
  apply({ type, ts, data }) {
    this.ts = Math.max(this.ts, ts);
    if (ENDS.has(type)) this.#end(/** @type {string} */ (ENDS.get(type)), data);
    else if (type === 'job.snapshot') this.load(data.job);
    else if (type === 'job.queued') this.#queue(data);
    else if (type === 'job.started') this.#start(data, ts);
    else if (type === 'job.progress') this.#advance(data);
    else if (type.startsWith('stage.')) this.#stage(type, data);
    else if (type === 'subtitle.cue') this.cues.set(data.index, data);
    else if (type === 'video.init') this.video = data;
    else if (type === 'job.published' || type.startsWith('job.upload')) this.#publish(type, data);
  }

  // A log is told from its beginning, after a snapshot: its early events must not undo how it ended.

  /** @param {{ahead: number}} data */
  #queue({ ahead }) {
    if (this.over) return;
    this.status = 'queued';
    this.ahead = ahead;
  }

  /** @param {any} data @param {number} ts */
  #start(data, ts) {
    if (this.over) return;
    this.status = 'in_progress';
    this.startedAt = ts;
    this.engines = { ...this.engines, ...data.engines };
  }

  /** @param {{overall: number, stages: Record<string, Stage>}} data */
  #advance(data) {
    if (this.over) return;
    this.status = 'in_progress'; // what was loaded may have been asked for before it started, and come after
    this.progress = data.overall;
    Object.assign(this.stages, data.stages);
  }

  /** @param {string} type @param {{stage: string}} data */
  #stage(type, data) {
    if (this.over) return;
    const state = { 'stage.started': 'running', 'stage.finished': 'finished', 'stage.failed': 'error' }[type];
    const stage = this.stage(data.stage);
    this.stages[data.stage] = { ...stage, state: state ?? stage.state };
  }

  /** @param {string} type @param {any} data */
  #publish(type, data) {
    if (this.publication?.state === 'published') return;
    // Like all stages in frames; the server counts bytes.
    const total = this.stage('encode').total ?? 0;
    const done = type === 'job.published' ? total : Math.round((total * (data.done_bytes ?? 0)) / (data.total_bytes || 1));
    const failed = type === 'job.upload_failed' && data.retry_in_s == null;
    if (type === 'job.published') this.publication = { state: 'published' };
    else this.publication = { state: failed ? 'failed' : 'uploading', error: data.error ?? null };
    this.outputs = data.outputs ?? this.outputs;
    const state = { uploading: 'running', published: 'finished', failed: 'error' }[this.publication.state];
    this.stages.upload = { ...this.stage('upload'), state, done, total };
  }

  /** @param {string} status @param {any} data */
  #end(status, data) {
    this.status = status;
    this.metrics = data.metrics ?? this.metrics;
    if (this.publication?.state !== 'published') this.outputs = data.outputs ?? this.outputs;
    this.error = data.error ?? this.error;
    if (status === 'completed') this.progress = 1;
    if (data.publishing) this.publication ??= { state: 'uploading' };
    for (const [name, stage] of Object.entries(this.stages)) {
      if (stage.state === 'running') this.stages[name] = { ...stage, state: status === 'completed' ? 'finished' : 'cancelled' };
    }
  }
}

/**
 * How long a text takes to say, rather too long than too short.
 * @param {string} text
 */
function spokenSeconds(text) {
  // Most voices say about 4 Chinese characters, or 15 letters, a second.
  const wide = text.match(/[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/g)?.length ?? 0;
  return 1.15 * (wide / 4 + (text.length - wide) / 15);
}
