// The texts in the admin's language; what isn't English comes when it is asked for.
import { createContext, type ReactNode, useContext, useEffect, useState } from "react";
import { en, type Texts } from "./en";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;
const KEPT = "rowgate.language";
const others: Record<Exclude<Language, "en">, () => Promise<Texts>> = { de: () => import("./de").then((one) => one.de) };

type Told = { texts: Texts; language: Language; speak: (language: Language) => void };
const Context = createContext<Told>({ texts: en, language: "en", speak: () => undefined });

function preferred(): Language {
  const kept = localStorage.getItem(KEPT);
  const wanted = kept ?? navigator.language.slice(0, 2);
  return wanted in LANGUAGES ? (wanted as Language) : "en";
}

export function TextsProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(preferred);
  const [texts, setTexts] = useState(en);
  useEffect(() => {
    document.documentElement.lang = language;
    let current = true;
    const reading = language === "en" ? Promise.resolve(en) : others[language]();
    void reading.then((found) => current && setTexts(found));
    return () => {
      current = false;
    };
  }, [language]);
  const speak = (wanted: Language) => {
    localStorage.setItem(KEPT, wanted);
    setLanguage(wanted);
  };
  return <Context value={{ texts, language, speak }}>{children}</Context>;
}

export const useTexts = (): Texts => useContext(Context).texts;
export const useLanguage = (): Told => useContext(Context);
