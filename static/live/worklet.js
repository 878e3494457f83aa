/** Runs where sound is made: gathers samples of the microphone into pieces of 20 ms, as signed 16-bit integers. */

/* global AudioWorkletProcessor, registerProcessor, sampleRate */

const PIECE = Math.round(sampleRate / 50);

class Gatherer extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process([channels]) {
    for (const sample of channels?.[0] ?? []) {
      this.piece[this.filled] = Math.max(-1, Math.min(1, sample)) * 32767;
      this.filled += 1;
      if (this.filled < PIECE) continue;
      this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
      this.piece = new Int16Array(PIECE);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor('microphone', Gatherer);
