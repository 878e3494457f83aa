/** The interface in the reader's language. Every text stands here once, in English and in Chinese. */

/** @typedef {'en' | 'zh'} Tongue */

const STORED = 'lipstream.language';

/** @type {Record<Tongue, Record<string, string>>} */
export const TEXTS = {
  en: {
    'app.title': 'Lipstream: text in, talking video out',
    'app.skip': 'Skip to content',
    'app.sections': 'Sections',
    'nav.create': 'Create',
    'nav.monitor': 'Monitor',
    'nav.language': '中文',
    'link.connecting': 'Connecting',
    'link.open': 'Connected',
    'link.waiting': 'Offline, trying again in {seconds}',

    'compose.title': 'What should be said?',
    'compose.text': 'Text',
    'compose.sample':
      'Hello! I am being drawn while you watch. The voice runs ahead, the lips follow it, and the picture reaches you one frame at a time. Nothing here was finished when it began to play.',
    'compose.count': '{count} characters',
    'compose.template': 'Presenter',
    'compose.voice': 'Voice',
    'compose.voiceAuto': 'Default',
    'voice.listen': 'Listen',
    'voice.stop': 'Stop',
    'quality.natural': 'natural',
    'quality.robotic': 'clear, robotic',
    'quality.cloned': 'cloned from a recording',
    'voice.heart': 'Heart: female, American',
    'voice.xiaoxiao': 'Xiaoxiao: female, Mandarin',
    'voice.xiaoyi': 'Xiaoyi: female, Mandarin, brighter',
    'voice.yunxi': 'Yunxi: male, Mandarin',
    'voice.female': 'Female',
    'voice.male': 'Male',
    'voice.female-2': 'Female, softer',
    'voice.male-2': 'Male, deeper',
    'voice.british-female': 'Female, British English',
    'voice.british-male': 'Male, British English',
    'compose.options': 'Options',
    'compose.speed': 'Speaking rate',
    'compose.pitch': 'Pitch',
    'compose.semitones': '{value} semitones',
    'compose.fps': 'Frames per second',
    'compose.size': 'Picture',
    'compose.own': 'As filmed',
    'compose.enhance': 'Enhance the face',
    'compose.enhanceHint': 'Clearer, at the cost of some speed.',
    'compose.speak': 'Speak',
    'compose.starting': 'Starting',
    'compose.shortcut': 'Ctrl + Enter',
    'compose.empty': 'Write something to say first.',

    'said.choice': 'Text or recording',
    'said.text': 'Text',
    'said.sound': 'Recording',
    'sound.choose': 'Choose a file',
    'sound.record': 'Record',
    'sound.stop': 'Stop ({seconds})',
    'sound.drop': 'Sound, or a video with sound. It can be dropped here too.',
    'sound.heard': 'The recording',
    'sound.name': 'Recording',
    'sound.remove': 'Remove',
    'sound.empty': 'Choose a file or record something first.',
    'sound.denied': 'This page may not use the microphone.',
    'sound.none': 'No microphone was found.',
    'faces.title': 'Several people are seen. Who shall speak?',
    'faces.one': 'Person {number}',

    'template.sample': 'Sample',
    'template.add': 'Add',
    'template.addHint': 'Add a video or picture of a person',
    'template.uploading': 'Uploading {name}: {percent}',
    'template.preparing': 'Preparing {name}: {percent}',
    'template.ready': '{name} is ready.',
    'template.remove': 'Remove {name}',
    'template.removeSure': 'Really remove {name}?',
    'template.none': 'No presenter yet.',

    'background.title': 'Another background',
    'background.prompt': 'What should be behind?',
    'background.hint': 'Without an image model on the server, words like sea, sunset, bookshelf, window, lights, paper and colours are drawn.',
    'background.choose': 'Or a picture',
    'background.fit': 'Fit',
    'background.cover': 'Fill',
    'background.contain': 'Show all',
    'background.stretch': 'Stretch',
    'background.blur': 'Out of focus',
    'background.make': 'Make the presenter',
    'background.making': 'Making it: {percent}',
    'background.ready': 'The new presenter is ready.',
    'background.cancelled': 'Cancelled.',
    'background.empty': 'Say what should be behind, or choose a picture.',
    'background.preview': 'The first frame with the new background',

    'stage.region': 'Video',
    'stage.play': 'Play',
    'phase.idle': 'Ready when you are.',
    'phase.sending': 'Sending the text.',
    'phase.sendingSound': 'Sending the recording: {percent}.',
    'phase.queued': 'Waiting in line, {ahead} ahead.',
    'phase.next': 'Next in line.',
    'phase.first': 'Waiting for the first picture.',
    'phase.holding': 'Made at {rate} real time. Playing starts in about {seconds}, then goes through to the end.',
    'phase.holdingUnknown': 'Buffering, so that it does not stop again.',
    'phase.making': 'Playing while it is being made.',
    'phase.paused': 'Paused. The video is still being made.',
    'phase.blocked': 'Ready. Press play to hear it.',
    'phase.completed': 'Done. The video is complete.',
    'phase.cancelled': 'Cancelled.',
    'phase.failed': 'That did not work.',
    'failed.in': 'Stopped while working on: {stage}',
    'failed.store': 'The video is done, but could not be stored elsewhere',
    'failed.request': 'The server did not accept this',
    'failed.gone': 'This job is not on the server any more.',
    'failed.unreachable': 'The server cannot be reached.',
    'action.cancel': 'Cancel',
    'action.mp4': 'Video (MP4)',
    'action.stored': 'Stored copy',
    'action.srt': 'Subtitles (SRT)',
    'action.open': 'Open',

    'fact.first': 'First picture',
    'fact.speed': 'Speed',
    'fact.length': 'Length',
    'fact.ahead': 'Buffered ahead',
    'fact.times': '{value}×',
    'fact.rtf': 'Real-time factor {value}',
    'fact.server': '{value} on the server',
    'fact.about': 'about {value}',
    'fact.none': '–',

    'lanes.title': 'How far each step is',
    'lanes.play': 'You',
    'lanes.engines': 'Engines: {engines}',
    'lanes.queue': '{count} waiting for the next step',
    'lane.prepare': 'Presenter',
    'lane.decode': 'Read',
    'lane.background': 'Background',
    'lane.tts': 'Voice',
    'lane.faces': 'Faces',
    'lane.lipsync': 'Lips',
    'lane.enhance': 'Enhance',
    'lane.encode': 'Encode',
    'lane.upload': 'Store',
    'state.pending': 'not started',
    'state.running': 'running',
    'state.finished': 'finished',
    'state.error': 'failed',
    'state.skipped': 'not needed',
    'state.cancelled': 'cancelled',

    'monitor.title': 'Jobs',
    'monitor.empty': 'No jobs yet. Whatever is made on this server shows up here.',
    'monitor.counts': '{running} running, {queued} waiting, {over} over',
    'monitor.untitled': 'Untitled',
    'monitor.template': 'Presenter: {name}',
    'status.queued': 'waiting',
    'status.in_progress': 'running',
    'status.completed': 'done',
    'status.failed': 'failed',
    'status.cancelled': 'cancelled',

    'language.zh': 'Mandarin',
    'language.en': 'English',
    'language.yue': 'Cantonese',
    'language.ja': 'Japanese',
    'language.ko': 'Korean',
    'unit.s': '{value} s',
    'unit.ms': '{value} ms',
  },
  zh: {
    'app.title': 'Lipstream：输入文字，输出会说话的视频',
    'app.skip': '跳到正文',
    'app.sections': '栏目',
    'nav.create': '创作',
    'nav.monitor': '监控',
    'nav.language': 'English',
    'link.connecting': '连接中',
    'link.open': '已连接',
    'link.waiting': '连接中断，{seconds}后重试',

    'compose.title': '想说些什么？',
    'compose.text': '文字',
    'compose.sample':
      '你好！你正在看的画面，是边生成边播放的。声音走在前面，嘴唇跟着声音，画面一帧一帧送到你眼前。开始播放的时候，后面的内容还没有做出来。',
    'compose.count': '{count} 个字符',
    'compose.template': '人物模板',
    'compose.voice': '声音',
    'compose.voiceAuto': '默认',
    'voice.listen': '试听',
    'voice.stop': '停止',
    'quality.natural': '自然',
    'quality.robotic': '清晰，机械音',
    'quality.cloned': '由录音克隆',
    'voice.heart': 'Heart：女声，美式英语',
    'voice.xiaoxiao': '晓晓：女声，普通话',
    'voice.xiaoyi': '晓伊：女声，普通话，明亮',
    'voice.yunxi': '云希：男声，普通话',
    'voice.female': '女声',
    'voice.male': '男声',
    'voice.female-2': '女声，柔和',
    'voice.male-2': '男声，低沉',
    'voice.british-female': '女声，英式英语',
    'voice.british-male': '男声，英式英语',
    'compose.options': '选项',
    'compose.speed': '语速',
    'compose.pitch': '音高',
    'compose.semitones': '{value} 个半音',
    'compose.fps': '帧率',
    'compose.size': '画面',
    'compose.own': '与模板相同',
    'compose.enhance': '面部增强',
    'compose.enhanceHint': '更清晰，生成会慢一些。',
    'compose.speak': '开始播报',
    'compose.starting': '正在开始',
    'compose.shortcut': 'Ctrl + Enter',
    'compose.empty': '请先写下要说的话。',

    'said.choice': '文字或录音',
    'said.text': '文字',
    'said.sound': '录音',
    'sound.choose': '选择文件',
    'sound.record': '录音',
    'sound.stop': '停止（{seconds}）',
    'sound.drop': '音频，或带声音的视频，也可以拖到这里。',
    'sound.heard': '录音',
    'sound.name': '录音',
    'sound.remove': '移除',
    'sound.empty': '请先选择文件，或录一段音。',
    'sound.denied': '此页面没有使用麦克风的权限。',
    'sound.none': '没有找到麦克风。',
    'faces.title': '画面里有好几个人，让谁来说？',
    'faces.one': '第 {number} 位',

    'template.sample': '示例',
    'template.add': '添加',
    'template.addHint': '添加一段人物视频或一张人物图片',
    'template.uploading': '正在上传 {name}：{percent}',
    'template.preparing': '正在处理 {name}：{percent}',
    'template.ready': '{name} 已可使用。',
    'template.remove': '删除 {name}',
    'template.removeSure': '确定删除 {name}？',
    'template.none': '还没有人物模板。',

    'background.title': '更换背景',
    'background.prompt': '背景是什么？',
    'background.hint': '服务器上没有图像模型时，会按“海、晚霞、书架、窗、灯光、纸”等词语和颜色绘制背景。',
    'background.choose': '或选择一张图片',
    'background.fit': '适配方式',
    'background.cover': '填满',
    'background.contain': '完整显示',
    'background.stretch': '拉伸',
    'background.blur': '背景虚化',
    'background.make': '生成新人物',
    'background.making': '正在生成：{percent}',
    'background.ready': '新的人物模板已可使用。',
    'background.cancelled': '已取消。',
    'background.empty': '请写下背景内容，或选择一张图片。',
    'background.preview': '换上新背景后的第一帧',

    'stage.region': '视频',
    'stage.play': '播放',
    'phase.idle': '准备就绪。',
    'phase.sending': '正在提交文字。',
    'phase.sendingSound': '正在上传录音：{percent}。',
    'phase.queued': '排队中，前面还有 {ahead} 个任务。',
    'phase.next': '马上轮到你。',
    'phase.first': '正在等待第一帧画面。',
    'phase.holding': '生成速度为实时的 {rate}。约 {seconds}后开始播放，之后不再中断。',
    'phase.holdingUnknown': '正在缓冲，以免再次中断。',
    'phase.making': '边生成，边播放。',
    'phase.paused': '已暂停，视频仍在生成。',
    'phase.blocked': '已就绪，点击播放即可收听。',
    'phase.completed': '完成，视频已全部生成。',
    'phase.cancelled': '已取消。',
    'phase.failed': '没有成功。',
    'failed.in': '中断于：{stage}',
    'failed.store': '视频已完成，但未能存储到别处',
    'failed.request': '服务器没有接受这次请求',
    'failed.gone': '服务器上已没有这个任务。',
    'failed.unreachable': '无法连接服务器。',
    'action.cancel': '取消',
    'action.mp4': '视频（MP4）',
    'action.stored': '存储的副本',
    'action.srt': '字幕（SRT）',
    'action.open': '打开',

    'fact.first': '首帧',
    'fact.speed': '速度',
    'fact.length': '时长',
    'fact.ahead': '已缓冲',
    'fact.times': '{value}×',
    'fact.rtf': '实时率 {value}',
    'fact.server': '服务器端 {value}',
    'fact.about': '约 {value}',
    'fact.none': '–',

    'lanes.title': '各步骤进度',
    'lanes.play': '你在看',
    'lanes.engines': '引擎：{engines}',
    'lanes.queue': '{count} 项等待下一步',
    'lane.prepare': '模板',
    'lane.decode': '读取',
    'lane.background': '背景',
    'lane.tts': '语音',
    'lane.faces': '人脸',
    'lane.lipsync': '口型',
    'lane.enhance': '增强',
    'lane.encode': '编码',
    'lane.upload': '存储',
    'state.pending': '未开始',
    'state.running': '进行中',
    'state.finished': '已完成',
    'state.error': '出错',
    'state.skipped': '不需要',
    'state.cancelled': '已取消',

    'monitor.title': '任务',
    'monitor.empty': '还没有任务。这台服务器上生成的内容都会显示在这里。',
    'monitor.counts': '进行中 {running}，等待 {queued}，结束 {over}',
    'monitor.untitled': '无标题',
    'monitor.template': '模板：{name}',
    'status.queued': '等待',
    'status.in_progress': '进行中',
    'status.completed': '完成',
    'status.failed': '失败',
    'status.cancelled': '已取消',

    'language.zh': '普通话',
    'language.en': '英语',
    'language.yue': '粤语',
    'language.ja': '日语',
    'language.ko': '韩语',
    'unit.s': '{value} 秒',
    'unit.ms': '{value} 毫秒',
  },
};

/** @returns {Tongue} what was chosen before, else what the browser is set to */
function preferred() {
  let stored = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage is switched off: then nothing is remembered.
  }
  if (stored === 'en' || stored === 'zh') return stored;
  const first = navigator.languages?.find((tag) => /^(zh|en)\b/i.test(tag)) ?? navigator.language;
  return /^zh\b/i.test(first) ? 'zh' : 'en';
}

export class Language {
  constructor() {
    this.tongue = preferred();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
  }

  /**
   * The text of this name, with `{name}`s filled in; the name itself if there is no such text.
   * @param {string} name
   * @param {Record<string, string | number>} [values]
   */
  t(name, values = {}) {
    const text = TEXTS[this.tongue][name] ?? name;
    return text.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
  }

  /** @param {string} name */
  knows(name) {
    return name in TEXTS[this.tongue];
  }

  /** @param {number} value @param {number} [digits] */
  number(value, digits = 0) {
    return new Intl.NumberFormat(this.tongue, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
      value,
    );
  }

  /** @param {number} value */
  seconds(value) {
    return this.t('unit.s', { value: this.number(value, value < 100 ? 1 : 0) });
  }

  /** @param {number} value milliseconds */
  milliseconds(value) {
    return value < 10_000 ? this.t('unit.ms', { value: this.number(value) }) : this.seconds(value / 1000);
  }

  /** @param {number} value 5.25 becomes 5.3× */
  times(value) {
    return this.t('fact.times', { value: this.number(value, value < 20 ? 1 : 0) });
  }

  /** @param {number} share 0 to 1 */
  percent(share) {
    return new Intl.NumberFormat(this.tongue, { style: 'percent' }).format(share);
  }

  /** @param {number} unix seconds */
  clock(unix) {
    return new Intl.DateTimeFormat(this.tongue, { timeStyle: 'medium' }).format(unix * 1000);
  }

  /** Change to the other language, remember it, and have everybody write their texts anew. */
  toggle() {
    this.tongue = this.tongue === 'zh' ? 'en' : 'zh';
    try {
      localStorage.setItem(STORED, this.tongue);
    } catch {
      // Storage is switched off: then it holds until the page is closed.
    }
    this.apply();
    for (const listener of this.listeners) listener();
  }

  /** Fill in the fixed texts: `data-text="name"`, and `data-label="name"` for an accessible name. */
  apply() {
    document.documentElement.lang = this.tongue === 'zh' ? 'zh-CN' : 'en';
    document.title = this.t('app.title');
    for (const element of document.querySelectorAll('[data-text]')) {
      element.textContent = this.t(/** @type {HTMLElement} */ (element).dataset.text ?? '');
    }
    for (const element of document.querySelectorAll('[data-label]')) {
      element.setAttribute('aria-label', this.t(/** @type {HTMLElement} */ (element).dataset.label ?? ''));
    }
  }
}
