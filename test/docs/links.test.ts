import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../store/paths.js'
import { pages, prose, type Page } from './pages.js'

/** Anchors of a page's headings, as GitHub makes them. */
function anchors(text: string): string[] {
  const used = new Map<string, number>()
  return [...text.replace(/^( *)```[^]*?^\1```$/gm, '').matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-')
    const before = used.get(anchor) ?? 0
    used.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}

/** Links of a page that lead nowhere. */
function broken({ path, text }: Page): string[] {
  const links = [...prose(text).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link = '']) => link)
  return links.filter((link) => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? join(packageRoot(), path) : resolve(packageRoot(), dirname(path), file)
    if (!existsSync(target)) return true
    if (anchor === undefined || statSync(target).isDirectory()) return false
    return target.endsWith('.md') && !anchors(readFileSync(target, 'utf8')).includes(anchor)
  })
}

test.each(pages().map((page) => [page.path, page] as const))('every link of %s leads somewhere', (_, page) => {
  expect(broken(page)).toEqual([])
})

test('a broken link, or one to a heading that is not there, would be found', () => {
  const text =
    '# Here\n[a](nowhere.md) [b](#here) [c](#there) [d](README.md) `[e](code.md)`\n```md\n[f](code.md)\n```\n'
  expect(broken({ path: 'page.md', text })).toEqual(['nowhere.md'].concat(['#here', '#there']))
})

test('every page of docs/ can be reached from the README', () => {
  const all = new Map(pages().map(({ path, text }) => [path, text]))
  const reached = new Set<string>()
  const follow = (path: string): void => {
    if (reached.has(path) || !all.has(path)) return
    reached.add(path)
    for (const [, link = ''] of prose(all.get(path)!).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g))
      follow(join(dirname(path), link))
  }
  follow('README.md')
  expect([...all.keys()].filter((path) => path.startsWith('docs/') && !reached.has(path))).toEqual([])
})
