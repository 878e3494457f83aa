/** Sound of the microphone for a live session: signed 16-bit samples of one channel, as they come. */

const MODULE = new URL('worklet.js', import.meta.url).href;

/** Whether this page may use one at all: browsers give it to pages of https and of this machine alone. */
export const canListen = () => Boolean(navigator.mediaDevices && 'audioWorklet' in AudioContext.prototype);

export class Microphone {
  /** @param {(rate: number) => void} onstart @param {(samples: ArrayBuffer) => void} onsound */
  constructor(onstart, onsound) {
    this.onstart = onstart;
    this.onsound = onsound;
    /** @type {AudioContext | null} */
    this.context = null;
    /** @type {MediaStream | null} */
    this.stream = null;
  }

  get on() {
    return this.stream !== null;
  }

  /** Raises DOMException where it may not be used. */
  async start() {
    // The avatar is heard while it speaks: it must not hear itself.
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true } });
    const context = (this.context = new AudioContext());
    await context.audioWorklet.addModule(MODULE);
    const node = new AudioWorkletNode(context, 'microphone', { numberOfOutputs: 0 });
    this.onstart(context.sampleRate);
    node.port.onmessage = ({ data }) => this.onsound(data);
    context.createMediaStreamSource(this.stream).connect(node);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.context?.close();
    this.context = null;
  }
}
