/** Numbers as people read them. */

/** `440.00`, with as many decimals as a tuner needs. */
export function hertz(hz: number): string {
  return hz.toFixed(hz < 1000 ? 2 : 1);
}

/** `+3.2` with a true minus, and no sign before zero. */
export function signed(value: number, decimals = 1): string {
  const text = Math.abs(value).toFixed(decimals);
  if (Number(text) === 0) return text;
  return (value < 0 ? '−' : '+') + text;
}

/** Decibels relative to full scale; silence is `−∞`. */
export function decibels(level: number): string {
  if (!(level > 0)) return '−∞';
  return signed(20 * Math.log10(level));
}

export function milliseconds(ns: number): string {
  const ms = ns / 1e6;
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return `${ms.toFixed(ms >= 10 ? 1 : 2)} ms`;
}

/** Parts per million as percent. 100 % is said only of all. */
export function percent(ppm: number): string {
  if (ppm >= 1_000_000) return `${Math.round(ppm / 10_000)} %`;
  const tenths = Math.floor(ppm / 1_000) / 10;
  return `${tenths.toFixed(ppm >= 990_000 || tenths < 10 ? 1 : 0)} %`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(count: number): string {
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Thousands apart, by a narrow space. */
export function count(number: number): string {
  return Math.round(number).toString().replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** `1 frame`, `2 frames`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A position as `01:23.456`, with hours where there are any. Never later than it is. */
export function timecode(frames: number, rate_hz: number): string {
  const ms = Math.floor((frames * 1000) / rate_hz);
  const two = (value: number): string => Math.floor(value).toString().padStart(2, '0');
  const rest = `${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${(ms % 1000).toString().padStart(3, '0')}`;
  return ms >= 3_600_000 ? `${two(ms / 3_600_000)}:${rest}` : rest;
}
