/** Where samples come from: opened into an AudioNode of the context, and closed again. Runs on the page. */
import { PcmflowError, textOf } from './errors.js';
import { MELODY, renderTones, type Tone } from './melody.js';

/** A microphone, without what calls do to speech: echo cancelling, noise suppression and gain control are off. */
export interface MicrophoneSource {
  readonly kind: 'microphone';
  readonly deviceId?: string;
  /** 1 where it is left out. */
  readonly channels?: number;
}

/** A stream that the page has. Its tracks are left running when this closes. */
export interface MediaStreamSource {
  readonly kind: 'stream';
  readonly stream: MediaStream;
}

/** A node of a graph that the page has. Its context is used, and left open. */
export interface NodeSource {
  readonly kind: 'node';
  readonly node: AudioNode;
  /** 1 where it is left out. */
  readonly channels?: number;
}

/** How something that has an end is played. */
export interface Playing {
  /** Whether it is heard too. */
  readonly audible?: boolean;
  readonly loop?: boolean;
}

/** A file that the browser decodes, to the context's rate. */
export interface FileSource extends Playing {
  readonly kind: 'file';
  readonly file: Blob;
}

/** The same from an address. */
export interface UrlSource extends Playing {
  readonly kind: 'url';
  readonly url: string | URL;
}

/** Tones that are made here: {@link MELODY} where none are given. */
export interface SyntheticSource extends Playing {
  readonly kind: 'synthetic';
  readonly tones?: readonly Tone[];
}

/** Where samples come from. */
export type Source = MicrophoneSource | MediaStreamSource | NodeSource | FileSource | UrlSource | SyntheticSource;

/** An open source. */
export interface OpenSource {
  readonly node: AudioNode;
  readonly channels: number;
  /** For a person: the device's label, the file's name. */
  readonly label: string;
  /** What the browser says that the track is really set to; nothing without a track. */
  readonly settings: MediaTrackSettings | null;
  /** Calls `gone` once when no more will come, and why. */
  onGone(gone: (reason: string) => void): void;
  /** Begins to play what has a beginning. */
  start(): void;
  /** Lets go of what was opened here, and of nothing else. */
  close(): void;
}

/** The most channels that the engine takes from a browser. */
const CHANNELS_MAX = 32;

/** Opens a source. */
export async function openSource(source: Source, context: BaseAudioContext): Promise<OpenSource> {
  switch (source.kind) {
    case 'microphone':
      return openMicrophone(source, context);
    case 'stream':
      return ofStream(source.stream, context, false);
    case 'node':
      return ofNode(source, context);
    case 'file':
      return ofBytes(await bytesOf(source.file), source.file instanceof File ? source.file.name : 'a file', source, context);
    case 'url':
      return ofBytes(await fetched(source.url), String(source.url), source, context);
    case 'synthetic': {
      const samples = renderTones(source.tones ?? MELODY, context.sampleRate);
      if (samples.length === 0) throw new PcmflowError('decode', 'there are no tones to play: give at least one with a length');
      const buffer = context.createBuffer(1, samples.length, context.sampleRate);
      buffer.copyToChannel(samples, 0);
      return ofBuffer(buffer, 'synthetic', source, context);
    }
  }
}

async function openMicrophone(source: MicrophoneSource, context: BaseAudioContext): Promise<OpenSource> {
  const { mediaDevices } = navigator;
  if (mediaDevices === undefined) throw new PcmflowError('permission', 'this page may not use a microphone: browsers allow it on secure pages only');
  const audio: MediaTrackConstraints = {
    echoCancellation: false,
    noiseSuppression: false,
    autoGainControl: false,
    channelCount: source.channels ?? 1,
    ...(source.deviceId === undefined ? {} : { deviceId: { exact: source.deviceId } }),
  };
  try {
    return ofStream(await mediaDevices.getUserMedia({ audio }), context, true, source.channels ?? 1);
  } catch (thrown) {
    throw thrown instanceof PcmflowError ? thrown : microphoneError(thrown);
  }
}

/** What `getUserMedia` says, in words for a person. */
export function microphoneError(thrown: unknown): PcmflowError {
  const name = thrown instanceof DOMException ? thrown.name : '';
  const cause = { cause: thrown };
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new PcmflowError('permission', "the microphone is not allowed: allow it in the browser's settings for this page, then try again", cause);
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new PcmflowError('device', 'there is no such microphone: plug one in, or choose another', cause);
    case 'NotReadableError':
    case 'AbortError':
      return new PcmflowError('device', "the microphone can't be opened: another program may be using it", cause);
    default:
      return new PcmflowError('device', `the microphone can't be opened: ${textOf(thrown)}`, cause);
  }
}

function ofStream(stream: MediaStream, context: BaseAudioContext, ours: boolean, wanted?: number): OpenSource {
  const track = stream.getAudioTracks()[0];
  if (track === undefined) throw new PcmflowError('device', 'the MediaStream has no audio track');
  if (!('createMediaStreamSource' in context)) throw new PcmflowError('device', 'an offline context takes no MediaStream');
  const stopTracks = (): void => {
    if (ours) for (const each of stream.getTracks()) each.stop();
  };
  let node: AudioNode;
  try {
    node = (context as AudioContext).createMediaStreamSource(stream);
  } catch (thrown) {
    stopTracks();
    // Firefox refuses a stream of another rate than the context's.
    throw new PcmflowError('device', `the stream can't enter the audio context: ${textOf(thrown)}`, { cause: thrown });
  }
  const settings = track.getSettings();
  let ended: (() => void) | undefined;
  return {
    node,
    channels: channelsOf(wanted ?? settings.channelCount ?? 1),
    label: track.label,
    settings,
    onGone(gone) {
      ended = () => gone(`${track.label || 'the microphone'} is gone: unplugged, switched off, or no longer allowed`);
      if (track.readyState === 'ended') queueMicrotask(ended);
      else track.addEventListener('ended', ended, { once: true });
    },
    start() {},
    close() {
      if (ended !== undefined) track.removeEventListener('ended', ended);
      node.disconnect();
      stopTracks();
    },
  };
}

function ofNode({ node, channels }: NodeSource, context: BaseAudioContext): OpenSource {
  if (node.context !== context) throw new PcmflowError('device', 'the node belongs to another audio context');
  return { node, channels: channelsOf(channels ?? 1), label: node.constructor.name, settings: null, onGone() {}, start() {}, close() {} };
}

async function bytesOf(file: Blob): Promise<ArrayBuffer> {
  try {
    return await file.arrayBuffer();
  } catch (thrown) {
    throw new PcmflowError('decode', `the file can't be read: ${textOf(thrown)}`, { cause: thrown });
  }
}

async function fetched(url: string | URL): Promise<ArrayBuffer> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return await response.arrayBuffer();
  } catch (thrown) {
    throw new PcmflowError('load', `${url} can't be loaded: ${textOf(thrown)}`, { cause: thrown });
  }
}

async function ofBytes(bytes: ArrayBuffer, label: string, how: Playing, context: BaseAudioContext): Promise<OpenSource> {
  let buffer: AudioBuffer;
  try {
    buffer = await context.decodeAudioData(bytes);
  } catch (thrown) {
    throw new PcmflowError('decode', `${label} is no audio that this browser can decode`, { cause: thrown });
  }
  return ofBuffer(buffer, label, how, context);
}

function ofBuffer(buffer: AudioBuffer, label: string, { audible, loop }: Playing, context: BaseAudioContext): OpenSource {
  const node = new AudioBufferSourceNode(context, { buffer, loop: loop ?? false });
  if (audible === true) node.connect(context.destination);
  let started = false;
  return {
    node,
    channels: channelsOf(buffer.numberOfChannels),
    label,
    settings: null,
    onGone(gone) {
      node.onended = () => gone(`${label} is at its end`);
    },
    start() {
      if (!started) node.start();
      started = true;
    },
    close() {
      node.onended = null;
      if (started) node.stop();
      node.disconnect();
    },
  };
}

function channelsOf(channels: number): number {
  if (Number.isInteger(channels) && channels >= 1 && channels <= CHANNELS_MAX) return channels;
  throw new PcmflowError('device', `a source has 1 to ${CHANNELS_MAX} channels, not ${channels}`);
}
