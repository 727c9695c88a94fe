// Owns what customers are told where the business has written nothing of its own, in ten languages. Must not know models.

/** What customers read. Places: `{options}`, `{fields}` and `{intent}` are filled in. */
export interface CustomerTexts {
  /** Before anything was asked. */
  readonly greeting: string;
  /** Two or three intents are close: `{options}`. */
  readonly clarify: string;
  /** A field is missing that the answer needs: `{fields}`. */
  readonly missing: string;
  /** The intent is clear, but has no answer: `{intent}`. */
  readonly routed: string;
  /** A person takes over. */
  readonly handover: string;
  /** Asks how the customer can be reached, after that. */
  readonly contact: string;
  /** Of the window in which customers write: its name, its field, its buttons. */
  readonly title: string;
  readonly placeholder: string;
  readonly send: string;
  readonly close: string;
  /** The program could not be reached. */
  readonly unreachable: string;
}

const en: CustomerTexts = {
  greeting: 'Hello! What can I do for you?',
  clarify: 'Do you mean {options}?',
  missing: 'Please tell me: {fields}.',
  routed: 'Your question goes to: {intent}.',
  handover: 'I am not sure that I understand. A person will take over and answer you.',
  contact: 'How can we reach you? (e-mail or phone)',
  ...{ title: 'Help', placeholder: 'Write your question', send: 'Send', close: 'Close' },
  unreachable: 'That did not work. Please try again.',
};

/** Languages by their two letters. */
export const DEFAULT_TEXTS: Readonly<Record<string, CustomerTexts>> = {
  en,
  de: {
    greeting: 'Guten Tag! Was kann ich für Sie tun?',
    clarify: 'Meinen Sie {options}?',
    missing: 'Bitte nennen Sie mir: {fields}.',
    routed: 'Ihre Frage geht an: {intent}.',
    handover: 'Ich bin nicht sicher, ob ich Sie verstehe. Ein Mensch übernimmt und antwortet Ihnen.',
    contact: 'Wie erreichen wir Sie? (E-Mail oder Telefon)',
    ...{ title: 'Hilfe', placeholder: 'Ihre Frage', send: 'Senden', close: 'Schließen' },
    unreachable: 'Das hat nicht geklappt. Bitte versuchen Sie es noch einmal.',
  },
  fr: {
    greeting: 'Bonjour ! Que puis-je faire pour vous ?',
    clarify: 'Voulez-vous dire {options} ?',
    missing: 'Merci de m’indiquer : {fields}.',
    routed: 'Votre question est transmise à : {intent}.',
    handover: 'Je ne suis pas sûr de comprendre. Une personne va prendre le relais et vous répondre.',
    contact: 'Comment pouvons-nous vous joindre ? (e-mail ou téléphone)',
    ...{ title: 'Aide', placeholder: 'Votre question', send: 'Envoyer', close: 'Fermer' },
    unreachable: 'Cela n’a pas fonctionné. Veuillez réessayer.',
  },
  es: {
    greeting: '¡Hola! ¿En qué puedo ayudarle?',
    clarify: '¿Se refiere a {options}?',
    missing: 'Por favor, indíqueme: {fields}.',
    routed: 'Su pregunta se envía a: {intent}.',
    handover: 'No estoy seguro de entenderle. Una persona se hará cargo y le responderá.',
    contact: '¿Cómo podemos contactarle? (correo electrónico o teléfono)',
    ...{ title: 'Ayuda', placeholder: 'Escriba su pregunta', send: 'Enviar', close: 'Cerrar' },
    unreachable: 'No ha funcionado. Inténtelo de nuevo, por favor.',
  },
  pt: {
    greeting: 'Olá! Em que posso ajudar?',
    clarify: 'Quer dizer {options}?',
    missing: 'Por favor, indique: {fields}.',
    routed: 'A sua pergunta segue para: {intent}.',
    handover: 'Não tenho a certeza de ter compreendido. Uma pessoa vai assumir e responder-lhe.',
    contact: 'Como podemos contactá-lo? (e-mail ou telefone)',
    ...{ title: 'Ajuda', placeholder: 'Escreva a sua pergunta', send: 'Enviar', close: 'Fechar' },
    unreachable: 'Não funcionou. Tente novamente, por favor.',
  },
  it: {
    greeting: 'Buongiorno! Come posso aiutarla?',
    clarify: 'Intende {options}?',
    missing: 'Per favore, mi indichi: {fields}.',
    routed: 'La sua domanda viene inoltrata a: {intent}.',
    handover: 'Non sono sicuro di aver capito. Una persona la seguirà e le risponderà.',
    contact: 'Come possiamo contattarla? (e-mail o telefono)',
    ...{ title: 'Aiuto', placeholder: 'Scriva la sua domanda', send: 'Invia', close: 'Chiudi' },
    unreachable: 'Non ha funzionato. Riprovi, per favore.',
  },
  nl: {
    greeting: 'Hallo! Waarmee kan ik u helpen?',
    clarify: 'Bedoelt u {options}?',
    missing: 'Wilt u mij het volgende laten weten: {fields}.',
    routed: 'Uw vraag gaat naar: {intent}.',
    handover: 'Ik weet niet zeker of ik u begrijp. Een medewerker neemt het over en antwoordt u.',
    contact: 'Hoe kunnen we u bereiken? (e-mail of telefoon)',
    ...{ title: 'Hulp', placeholder: 'Typ uw vraag', send: 'Versturen', close: 'Sluiten' },
    unreachable: 'Dat is niet gelukt. Probeer het nog eens.',
  },
  pl: {
    greeting: 'Dzień dobry! W czym mogę pomóc?',
    clarify: 'Czy chodzi o: {options}?',
    missing: 'Proszę podać: {fields}.',
    routed: 'Pytanie zostanie przekazane do: {intent}.',
    handover: 'Nie mam pewności, czy dobrze rozumiem. Odpowie Państwu pracownik.',
    contact: 'Jak możemy się z Państwem skontaktować? (e-mail lub telefon)',
    ...{ title: 'Pomoc', placeholder: 'Proszę wpisać pytanie', send: 'Wyślij', close: 'Zamknij' },
    unreachable: 'Nie udało się. Proszę spróbować ponownie.',
  },
  sv: {
    greeting: 'Hej! Vad kan jag hjälpa till med?',
    clarify: 'Menar du {options}?',
    missing: 'Kan du berätta för mig: {fields}.',
    routed: 'Din fråga skickas till: {intent}.',
    handover: 'Jag är inte säker på att jag förstår. En medarbetare tar över och svarar dig.',
    contact: 'Hur kan vi nå dig? (e-post eller telefon)',
    ...{ title: 'Hjälp', placeholder: 'Skriv din fråga', send: 'Skicka', close: 'Stäng' },
    unreachable: 'Det fungerade inte. Försök igen.',
  },
  tr: {
    greeting: 'Merhaba! Size nasıl yardımcı olabilirim?',
    clarify: 'Şunu mu demek istiyorsunuz: {options}?',
    missing: 'Lütfen belirtin: {fields}.',
    routed: 'Sorunuz şuraya iletiliyor: {intent}.',
    handover: 'Anladığımdan emin değilim. Bir çalışanımız devralıp size yanıt verecek.',
    contact: 'Size nasıl ulaşabiliriz? (e-posta veya telefon)',
    ...{ title: 'Yardım', placeholder: 'Sorunuzu yazın', send: 'Gönder', close: 'Kapat' },
    unreachable: 'Olmadı. Lütfen tekrar deneyin.',
  },
};

/** What fields that need no examples are called before customers, in the order of READY_FIELDS. */
const READY_NAMES: Readonly<Record<string, readonly string[]>> = {
  en: ['e-mail address', 'web address', 'IBAN', 'order number', 'amount', 'phone number', 'date or time'],
  de: ['E-Mail-Adresse', 'Internetadresse', 'IBAN', 'Bestellnummer', 'Betrag', 'Telefonnummer', 'Datum oder Uhrzeit'],
  fr: [
    'adresse e-mail',
    'adresse web',
    'IBAN',
    'numéro de commande',
    'montant',
    'numéro de téléphone',
    'date ou heure',
  ],
  es: [
    'correo electrónico',
    'dirección web',
    'IBAN',
    'número de pedido',
    'importe',
    'número de teléfono',
    'fecha u hora',
  ],
  pt: ['e-mail', 'endereço web', 'IBAN', 'número da encomenda', 'valor', 'número de telefone', 'data ou hora'],
  it: ['indirizzo e-mail', 'indirizzo web', 'IBAN', 'numero d’ordine', 'importo', 'numero di telefono', 'data o ora'],
  nl: ['e-mailadres', 'webadres', 'IBAN', 'bestelnummer', 'bedrag', 'telefoonnummer', 'datum of tijd'],
  pl: ['adres e-mail', 'adres strony', 'IBAN', 'numer zamówienia', 'kwota', 'numer telefonu', 'data lub godzina'],
  sv: ['e-postadress', 'webbadress', 'IBAN', 'ordernummer', 'belopp', 'telefonnummer', 'datum eller tid'],
  tr: ['e-posta adresi', 'web adresi', 'IBAN', 'sipariş numarası', 'tutar', 'telefon numarası', 'tarih veya saat'],
};
const READY_LABELS = ['email', 'url', 'iban', 'order_number', 'amount', 'phone', 'datetime'];

/** What a ready field is called in a language; undefined for other labels and languages. */
export function readyName(label: string, language: string): string | undefined {
  return READY_NAMES[language]?.[READY_LABELS.indexOf(label)];
}
