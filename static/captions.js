/** Captions as the browser's own text track: styled, switched and shown in full screen by its controls. */

export class Captions {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.track = video.addTextTrack('captions', 'Lipstream');
    this.track.mode = 'showing';
    /** @type {Set<number>} */
    this.known = new Set();
  }

  /**
   * Show these cues too; known ones are left as they are.
   * @param {Iterable<import('./job.js').Cue>} cues
   */
  add(cues) {
    for (const { index, start_s: start, end_s: end, text } of cues) {
      if (this.known.has(index)) continue;
      this.known.add(index);
      this.track.addCue(new VTTCue(start, end, escape(text)));
    }
  }

  clear() {
    this.known.clear();
    // A list that is changed while it is walked: always take the first.
    while (this.track.cues?.length) this.track.removeCue(this.track.cues[0]);
  }
}

/** Text as WebVTT's cue markup. @param {string} text */
function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
