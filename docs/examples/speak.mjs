// Make a video and save it while it is being made: node speak.mjs "Hello there." hello.mp4 [SERVER]   (Node 22 or later)
import { createWriteStream } from 'node:fs';

const [text, file, server = 'http://127.0.0.1:8010'] = process.argv.slice(2);
const headers = { 'Content-Type': 'application/json' };
const response = await fetch(`${server}/v1/videos`, { method: 'POST', headers, body: JSON.stringify({ text }) });
const job = await response.json();
if (!response.ok) throw new Error(job.error.message);

const socket = (path) => new WebSocket(`${server.replace(/^http/, 'ws')}/v1/jobs/${job.id}/${path}`);

const events = socket('events');
events.onmessage = ({ data }) => console.log(data);

const out = createWriteStream(file);
const stream = socket('stream');
stream.binaryType = 'arraybuffer';
stream.onmessage = ({ data }) => typeof data === 'string' || out.write(Buffer.from(data));
stream.onclose = () => out.end();
