// The console as a whole: its providers, who is signed in, and the page that the address names.
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect } from "react";
import { createBrowserRouter, Outlet } from "react-router";
import { RouterProvider } from "react-router/dom";
import { queries } from "./api/client";
import { account } from "./api/reads";
import { renew, useSession } from "./api/session";
import { PAGES } from "./pages";
import { Loading } from "./parts/Loading";
import { Crash } from "./parts/Problem";
import { SignIn } from "./shell/SignIn";
import { TextsProvider } from "./texts";
import { NONCE } from "./theme/nonce";
import { theme, variables } from "./theme/theme";

const Shell = lazy(() => import("./shell/Shell"));
const Setup = lazy(() => import("./pages/start/Setup"));
const ByLink = lazy(() => import("./pages/account/ByLink"));
const Forgotten = lazy(() => import("./pages/account/Forgotten"));
const FactorFirst = lazy(() => import("./pages/account/FactorFirst"));
const NotFound = lazy(() => import("./shell/NotFound"));

function Guarded() {
  const session = useSession();
  useEffect(() => {
    if (session.status === "unknown") void renew().catch(() => undefined);
    if (session.status === "out") queries.clear();
  }, [session.status]);
  const me = useQuery({ ...account, enabled: session.status === "in" });
  if (session.status === "out") return <SignIn />;
  if (session.status === "unknown" || me.isPending) return <Loading />;
  if (me.data?.second_factor_needed) return <Suspense fallback={<Loading />}><FactorFirst /></Suspense>;
  return (
    <Suspense fallback={<Loading />}>
      <Shell>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </Shell>
    </Suspense>
  );
}

/** What is outside of the shell: nobody is signed in there. */
const outside = (path: string, page: ReactNode) => ({ path, element: <Suspense fallback={<Loading />}>{page}</Suspense>, errorElement: <Crash /> });

const router = createBrowserRouter(
  [
    outside("/setup", <Setup />),
    outside("/forgotten", <Forgotten />),
    outside("/invited", <ByLink way="invited" />),
    outside("/recover", <ByLink way="recover" />),
    {
      element: <Guarded />,
      errorElement: <Crash />,
      children: [
        ...PAGES.flatMap(({ paths, Page }) =>
          paths.map((path) => ({ path, element: <Page />, errorElement: <Crash /> })),
        ),
        { path: "*", element: <NotFound /> },
      ],
    },
  ],
  { basename: "/console" },
);

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto" getStyleNonce={() => NONCE}>
      <QueryClientProvider client={queries}>
        <TextsProvider>
          <Notifications position="bottom-right" />
          {/* The page that is turned from is gone at once: in a transition it would go on taking keys, into a draft of its own. */}
          <RouterProvider router={router} useTransitions={false} />
        </TextsProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
