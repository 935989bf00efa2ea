// Draws media/icon.png from media/icon.svg with Chromium. Needs tests/install-editors. Usage: node scripts/icon.mjs
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';

const cache = process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`;
const { chromium } = createRequire(`${cache}/foretype-editors/playwright/package.json`)('playwright-core');
const media = new URL('../media/', import.meta.url);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const page = await browser.newPage({ viewport: { width: 256, height: 256 } });
await page.setContent(`<style>body{margin:0}svg{display:block}</style>${readFileSync(new URL('icon.svg', media), 'utf8')}`);
await page.screenshot({ path: fileURLToPath(new URL('icon.png', media)), omitBackground: true });
await browser.close();
