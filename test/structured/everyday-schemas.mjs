// Owns schemas as people write them, by hand, for tests and for bench/structured.mjs.

const text = { type: 'string' };
const point = { type: 'object', properties: { x: { type: 'number' }, y: { type: 'number' } }, required: ['x', 'y'] };

/** @type {Record<string, unknown>} */
export const everydaySchemas = {
  person: {
    type: 'object',
    properties: {
      name: { type: 'string', minLength: 1, maxLength: 40 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      email: { type: 'string', format: 'email', maxLength: 254 },
      tags: { type: 'array', items: { enum: ['new', 'vip', 'müde'] }, maxItems: 4 },
      score: { type: 'number', minimum: 0, maximum: 1 },
    },
    required: ['name', 'age'],
    additionalProperties: false,
  },
  sentiment: {
    type: 'object',
    properties: {
      label: { enum: ['positive', 'negative', 'neutral'] },
      confidence: { type: 'number', minimum: 0, maximum: 1 },
      why: text,
    },
    required: ['label', 'confidence', 'why'],
    additionalProperties: false,
  },
  invoice: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Invoice',
    type: 'object',
    properties: {
      id: { type: 'string', pattern: '^INV-\\d{6}$' },
      date: { type: 'string', format: 'date' },
      due: { type: 'string', format: 'date-time' },
      customer: { $ref: '#/$defs/party' },
      supplier: { $ref: '#/$defs/party' },
      lines: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: {
            article: text,
            quantity: { type: 'integer', minimum: 1 },
            price: { type: 'number', exclusiveMinimum: 0 },
            discount: { type: ['number', 'null'], minimum: 0, maximum: 100 },
          },
          required: ['article', 'quantity', 'price'],
          additionalProperties: false,
        },
      },
      currency: { enum: ['EUR', 'USD', 'CHF'] },
      paid: { type: 'boolean', default: false },
    },
    required: ['id', 'date', 'customer', 'lines', 'currency'],
    additionalProperties: false,
    $defs: {
      party: {
        type: 'object',
        properties: {
          name: text,
          street: text,
          zip: { type: 'string', pattern: '^[0-9]{5}$' },
          city: text,
          vat: { type: 'string', pattern: '^[A-Z]{2}[0-9A-Z]{2,12}$' },
        },
        required: ['name', 'city'],
        additionalProperties: false,
      },
    },
  },
  tree: {
    $ref: '#/$defs/node',
    $defs: {
      node: {
        type: 'object',
        properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/node' } } },
        required: ['value'],
        additionalProperties: false,
      },
    },
  },
  shapes: {
    type: 'array',
    items: {
      oneOf: [
        {
          type: 'object',
          properties: { kind: { const: 'circle' }, center: point, radius: { type: 'number', minimum: 0 } },
          required: ['kind', 'radius'],
        },
        {
          type: 'object',
          properties: { kind: { const: 'polygon' }, points: { type: 'array', items: point, minItems: 3, maxItems: 8 } },
          required: ['kind', 'points'],
        },
      ],
    },
    maxItems: 5,
  },
  optionalText: { anyOf: [{ type: 'string', maxLength: 20 }, { type: 'null' }] },
  translations: {
    type: 'object',
    propertyNames: { pattern: '^[a-z]{2}$' },
    additionalProperties: text,
    minProperties: 1,
  },
  settings: {
    type: 'object',
    properties: { theme: { enum: ['dark', 'light'] } },
    additionalProperties: { type: ['string', 'number', 'boolean'] },
  },
  headers: {
    type: 'object',
    patternProperties: { '^x-': text, '^[0-9]+$': { type: 'integer' } },
    additionalProperties: false,
  },
  nullable: {
    type: 'object',
    properties: { a: { type: 'string', nullable: true }, b: { type: ['integer', 'null'] } },
    required: ['a', 'b'],
  },
  tuple: {
    type: 'array',
    prefixItems: [text, { type: 'integer' }],
    items: { type: 'boolean' },
    minItems: 1,
    maxItems: 4,
  },
  pair: { type: 'array', items: [{ type: 'number' }, { type: 'number' }], additionalItems: false, minItems: 2 },
  all: {
    allOf: [
      { type: 'object', properties: { a: { type: 'integer', minimum: 3 } }, required: ['a'] },
      { properties: { a: { maximum: 9 }, b: { type: 'boolean' } }, required: ['b'] },
    ],
  },
  extended: {
    $defs: { base: { type: 'object', properties: { id: { type: 'string', format: 'uuid' } }, required: ['id'] } },
    allOf: [{ $ref: '#/$defs/base' }],
    type: 'object',
    properties: { note: { type: 'string', minLength: 3 } },
    required: ['note'],
    unevaluatedProperties: false,
  },
  eitherRequired: {
    type: 'object',
    properties: { mail: { type: 'string', format: 'email' }, phone: { type: 'string', pattern: '^\\+?[0-9 ]{5,15}$' } },
    anyOf: [{ required: ['mail'] }, { required: ['phone'] }],
    additionalProperties: false,
  },
  expression: {
    $defs: {
      expression: {
        anyOf: [
          { type: 'number' },
          {
            type: 'object',
            properties: {
              op: { enum: ['+', '-', '*', '/'] },
              left: { $ref: '#/$defs/expression' },
              right: { $ref: '#/$defs/expression' },
            },
            required: ['op', 'left', 'right'],
            additionalProperties: false,
          },
        ],
      },
    },
    $ref: '#/$defs/expression',
  },
  json: {},
  anyList: { type: 'array' },
  contact: {
    type: 'object',
    properties: {
      site: { type: 'string', format: 'uri' },
      host: { type: 'string', format: 'hostname' },
      v4: { type: 'string', format: 'ipv4' },
      v6: { type: 'string', format: 'ipv6' },
      time: { type: 'string', format: 'time' },
      wait: { type: 'string', format: 'duration' },
      link: { type: 'string', format: 'uri-reference' },
      at: { type: 'string', format: 'json-pointer' },
    },
    required: ['site', 'host', 'v4', 'v6', 'time', 'wait', 'link', 'at'],
    additionalProperties: false,
  },
  // As zod 4 writes `z.object({ … })` with email, uuid, record, and a limited URL.
  zod: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    properties: {
      email: {
        type: 'string',
        format: 'email',
        pattern:
          "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$",
        maxLength: 100,
      },
      id: {
        type: 'string',
        format: 'uuid',
        pattern:
          '^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)$',
      },
      counts: {
        type: 'object',
        propertyNames: { type: 'string' },
        additionalProperties: { type: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
      },
      level: {
        type: 'object',
        propertyNames: { type: 'string', enum: ['low', 'high'] },
        additionalProperties: { type: 'number' },
        required: ['low', 'high'],
      },
      page: { type: 'string', format: 'uri', maxLength: 200 },
      even: { type: 'integer', multipleOf: 2, exclusiveMinimum: -7, maximum: 40 },
    },
    required: ['email', 'id', 'counts', 'level', 'page', 'even'],
    additionalProperties: false,
  },
  manyOptional: {
    type: 'object',
    properties: Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`field_${i}`, i % 2 ? text : { type: 'integer' }]),
    ),
    additionalProperties: false,
  },
  countries: { enum: ['Österreich', 'Deutschland', 'Schweiz', '日本', 'Côte d’Ivoire', 'a"b', 'back\\slash', ''] },
  code: { const: { version: 1, items: [1, 'two', null] } },
};
