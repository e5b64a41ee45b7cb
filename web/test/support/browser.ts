/** Chromium with a WAV for a microphone. */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

const CHROMIUM = process.env['PCMFLOW_CHROMIUM'] ?? '/usr/bin/chromium';

/** Starts it, headless. */
export async function launch(microphoneWav?: string, flags: readonly string[] = []): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`there is no ${CHROMIUM}: apt-get install -y chromium, or set PCMFLOW_CHROMIUM to one that is there`);
  }
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      '--no-sandbox',
      '--autoplay-policy=no-user-gesture-required',
      '--use-fake-device-for-media-stream',
      '--use-fake-ui-for-media-stream',
      ...(microphoneWav === undefined ? [] : [`--use-file-for-fake-audio-capture=${microphoneWav}`]),
      ...flags,
    ],
  });
}

/** Opens the test page; what the page logs as an error, or throws unheard, is kept. */
export async function openPage(browser: Browser, origin: string): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${origin}/page/index.html`);
  await page.waitForFunction(() => 'listenTo' in window);
  return { page, complaints };
}
