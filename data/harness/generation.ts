import type { Filter, GenerationTask } from '../task.js'
import type { Field } from './field.js'
import { pythonRegex } from './python-regex.js'
import { entryOf } from '../../errors/foreign.js'

/** How texts are generated. */
type Generation = Pick<GenerationTask, 'until' | 'most'>

/** Tokens that are generated where the task does not say how many, as in the harness. */
const usualTokens = 256
const mostTokens = 65_536
const limits = ['max_gen_toks', 'max_new_tokens', 'max_tokens', 'max_completion_tokens']

/** What `generation_kwargs` asks for. @throws Failure InvalidInput for sampling */
export function generationOf(field: Field | undefined, fewshotDelimiter: string): Generation {
  if (field === undefined) return { until: [fewshotDelimiter], most: usualTokens }
  const entries = field.entries(['until', 'do_sample', 'temperature', 'top_p', 'top_k', ...limits])
  const sample = entries.get('do_sample')
  const temperature = entries.get('temperature')
  const greedy = 'Write `do_sample: false`: only greedy generation gives the same figures every time.'
  if (sample?.flag() === true) throw sample.bad('sampling is not supported', greedy)
  if (temperature && typeof temperature.value !== 'number')
    throw temperature.bad('temperature is not a number', 'Write `temperature: 0.0`.')
  if (sample === undefined && temperature && temperature.value !== 0)
    throw temperature.bad('sampling at a temperature is not supported', greedy)
  const until = entries.get('until')
  const ends =
    until === undefined
      ? [fewshotDelimiter]
      : (Array.isArray(until.value) ? until.list() : [until]).map((own) => own.text())
  const limit = limits.flatMap((name) => entries.get(name) ?? [])[0]
  return { until: ends.filter((end) => end !== ''), most: limit?.whole(1, mostTokens) ?? usualTokens }
}

/** Filters that are applied, and the keys of each. */
const filterKeys: Readonly<Record<Filter['function'], readonly string[]>> = {
  regex: ['regex_pattern', 'group_select', 'fallback'],
  take_first: [],
  remove_whitespace: [],
  lowercase: [],
  uppercase: [],
}
const usualPattern = String.raw`#### (\-?[0-9\.\,]+)`

/** What a `filter_list` asks for. @throws Failure InvalidInput for filters that are not applied */
export function filtersOf(field: Field | undefined): GenerationTask['filters'] {
  if (field === undefined) return [{ name: 'none', steps: [] }]
  const found = field.list().map((own) => {
    const entries = own.entries(['name', 'filter'])
    const [name, filter] = [entries.get('name'), entries.get('filter')]
    if (!name || !filter)
      throw own.bad('an entry of filter_list has a name and a filter', 'Write `name:` and `filter:`.')
    return { name: name.text(), steps: filter.list().map(filterOf) }
  })
  const twice = found.find(({ name }, i) => found.findIndex((other) => other.name === name) !== i)
  if (twice) throw field.bad(`filter_list has "${twice.name}" twice`, 'Rename one.')
  if (found.length === 0) throw field.bad('filter_list is empty', 'Remove the key.')
  return found
}

function filterOf(field: Field): Filter {
  const named = field.entries().get('function')
  if (!named) throw field.bad('this filter names no function', 'Write `- function: regex`.')
  const name = named.text() as Filter['function']
  const own = entryOf(filterKeys, name)
  if (!own)
    throw named.bad(`the filter "${name}" is not applied here`, `Applied are ${Object.keys(filterKeys).join(', ')}.`)
  const entries = field.entries(['function', ...own])
  if (name !== 'regex') return { function: name }
  const pattern = entries.get('regex_pattern')
  const text = pattern?.text() ?? usualPattern
  if (pattern) pattern.placed(() => pythonRegex(text))
  return {
    function: name,
    pattern: text,
    group: entries.get('group_select')?.whole(-1000, 1000) ?? 0,
    fallback: entries.get('fallback')?.text() ?? '[invalid]',
  }
}
