// Have a person say a text as it is written, and save what is seen: node live.mjs "Hello there." talk.mp4 [SERVER]
import { createWriteStream } from 'node:fs';

const [text, file, server = 'http://127.0.0.1:8010'] = process.argv.slice(2);
const headers = { 'Content-Type': 'application/json' };
const response = await fetch(`${server}/v1/sessions`, { method: 'POST', headers, body: '{}' });
const session = await response.json();
if (!response.ok) throw new Error(session.error.message);

const path = `/v1/sessions/${session.id}`;
const socket = (address) => new WebSocket(server.replace(/^http/, 'ws') + address);

const out = createWriteStream(file);
const stream = socket(`${path}/stream`);
stream.binaryType = 'arraybuffer';
stream.onmessage = ({ data }) => typeof data === 'string' || out.write(Buffer.from(data));
stream.onclose = () => out.end();

const control = socket(path);
control.onopen = () => {
  for (const word of text.split(' ')) control.send(JSON.stringify({ type: 'text.delta', text: `${word} ` }));
  control.send(JSON.stringify({ type: 'text.done' }));
};
control.onmessage = ({ data }) => {
  console.log(data);
  if (JSON.parse(data).type === 'session.idle') fetch(server + path, { method: 'DELETE' });
};
