import type { JsonObject } from '../api/index.js'

/** Whether a value of a JSON file is an object. */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
