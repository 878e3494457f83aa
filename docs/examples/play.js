// Show a job's video in a <video> element while it is being made. In a page of the same server, after a click.
export async function play(video, text) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch('/v1/videos', { method: 'POST', headers, body: JSON.stringify({ text }) });
  const job = await response.json();
  if (!response.ok) throw new Error(job.error.message);
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((opened) => source.addEventListener('sourceopen', opened, { once: true }));
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/jobs/${job.id}/stream`);
  socket.binaryType = 'arraybuffer';
  const pieces = [];
  let buffer;
  const feed = () => {
    if (!buffer || buffer.updating) return;
    if (pieces.length) buffer.appendBuffer(pieces.shift());
    else if (socket.readyState === WebSocket.CLOSED && source.readyState === 'open') source.endOfStream();
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string') {
      buffer = source.addSourceBuffer(JSON.parse(data).mime);
      buffer.addEventListener('updateend', feed);
    } else pieces.push(data);
    feed();
  };
  socket.onclose = feed;
  await video.play();
  return job;
}
