import { afterEach, expect, inject, test, vi } from 'vitest'
import { databaseOf, isOurs } from '../../server/own.js'

afterEach(() => {
  vi.unstubAllEnvs()
  process.env.XDG_STATE_HOME = inject('stateHome')
})

test.each(['/s', '/a b/#1', '/x%41y', '/é!', '/\'q\' "q"', '/a\nb', '/old.sqlite copies/s', '/a --db b/s'])(
  'our server is known by its database in the state directory %j',
  (home) => {
    vi.stubEnv('XDG_STATE_HOME', home)
    const command = (state: string) =>
      `/cache/temporal-server --db ${state}/puzzleflow/server/embedded.sqlite --port 7233 --ui-port 8233 --attributes A=b`
    expect(databaseOf(command(home))).toBe(`${home}/puzzleflow/server/embedded.sqlite`)
    expect(isOurs(command(home))).toBe(true)
    // What ends alike is another's.
    expect(isOurs(command(`/other${home}`))).toBe(false)
  },
)
