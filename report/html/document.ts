import { createHash } from 'node:crypto'
import { asMarkup, html, type Content } from './markup.js'
import { style } from './style.js'

/** A script of puzzleflow's, and what it may ask for. */
export interface PageScript {
  readonly text: string
  /** Whether it may ask the server that the page came from. */
  readonly asksServer: boolean
}

/**
 * A page in one file: HTML with its style, without anything to fetch.
 * @param script  the only one that the page's policy lets run. Default: none runs
 */
export function htmlDocument(title: string, body: Content, script?: PageScript): string {
  const policy = [
    "default-src 'none'",
    "style-src 'unsafe-inline'",
    ...(script ? [`script-src 'sha256-${createHash('sha256').update(script.text).digest('base64')}'`] : []),
    ...(script?.asksServer ? ["connect-src 'self'"] : []),
  ].join('; ')
  return `<!doctype html>\n${
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${asMarkup(policy)}" />
        <title>${title}</title>
        <style>
          ${asMarkup(style)}
        </style>
      </head>
      <body>
        <main>${body}</main>
        ${script && asMarkup(`<script>${script.text}</script>`)}
      </body>
    </html>`.text
  }\n`
}
