import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

/** The browser of tests of pages: Chromium as the system has it, or what CHROMIUM names. */
const program = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Whether there is none, so that tests are skipped. */
export const noChromium = !existsSync(program)

/** Why tests are skipped, for the end of their names; nothing where they are not. */
export const whySkipped = noChromium ? ` (skipped: there is no ${program})` : ''

/** Starts it, without anything that it would ask the network for by itself. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: program,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
