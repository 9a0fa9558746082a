import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parseJson } from '../../../model/jinja/json.js'
import { Template } from '../../../model/jinja/template.js'
import type { Dict, Value } from '../../../model/jinja/values.js'

/** What Python's Jinja2 makes of a template (make.py). */
interface Case {
  /** Its text, or the name of a file in `templates`. */
  readonly template: string
  /** Which of the variables it gets. */
  readonly variables: number
  readonly gives?: string
  /** The class of Python's error. */
  readonly fails?: string
}

const here = dirname(fileURLToPath(import.meta.url))
const { variables, cases } = JSON.parse(readFileSync(join(here, 'cases.json'), 'utf8')) as {
  readonly variables: readonly string[]
  readonly cases: readonly Case[]
}
const now = new Date(Date.UTC(2024, 6, 26))

function rendered(one: Case): string | { readonly failed: string } {
  const { template } = one
  const text = template.endsWith('.jinja') ? readFileSync(join(here, 'templates', template), 'utf8') : template
  const values = (parseJson(variables[one.variables]!) as Dict).pairs() as readonly (readonly [string, Value])[]
  try {
    return new Template(text).render(values, now)
  } catch (error) {
    return { failed: String((error as { kind?: string }).kind) }
  }
}

test.each(cases.map((one, i) => [i, one.template, one] as const))(
  'case %i, %s, is as in Python',
  (_, template, one) => {
    const failed = { failed: expect.stringMatching(/^(python|syntax|raised|unsupported|bound)$/) as string }
    expect(rendered(one)).toEqual(one.gives ?? failed)
  },
)
