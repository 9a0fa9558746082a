import type { IncomingMessage } from 'node:http'

/** The path that a request is for, without parameters, and without slashes more than needed. */
export function pathOf({ url = '/' }: IncomingMessage): string {
  const [, path = ''] = /^(?:https?:\/\/[^/?#]*)?([^?#]*)/i.exec(url) ?? []
  const slim = path.replace(/\/{2,}/g, '/')
  return slim.length > 1 ? slim.replace(/\/$/, '') : slim || '/'
}
