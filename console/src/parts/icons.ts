// The icons in use, each from its own file: the whole set has six thousand.
import type { Icon } from "@tabler/icons-react";
import Activity from "@tabler/icons-react/dist/esm/icons/IconActivity.mjs";
import AlertTriangle from "@tabler/icons-react/dist/esm/icons/IconAlertTriangle.mjs";
import ArrowDown from "@tabler/icons-react/dist/esm/icons/IconArrowDown.mjs";
import ArrowUp from "@tabler/icons-react/dist/esm/icons/IconArrowUp.mjs";
import Bolt from "@tabler/icons-react/dist/esm/icons/IconBolt.mjs";
import Check from "@tabler/icons-react/dist/esm/icons/IconCheck.mjs";
import ChevronRight from "@tabler/icons-react/dist/esm/icons/IconChevronRight.mjs";
import Copy from "@tabler/icons-react/dist/esm/icons/IconCopy.mjs";
import Database from "@tabler/icons-react/dist/esm/icons/IconDatabase.mjs";
import DotsVertical from "@tabler/icons-react/dist/esm/icons/IconDotsVertical.mjs";
import Eye from "@tabler/icons-react/dist/esm/icons/IconEye.mjs";
import Filter from "@tabler/icons-react/dist/esm/icons/IconFilter.mjs";
import GitBranch from "@tabler/icons-react/dist/esm/icons/IconGitBranch.mjs";
import GripVertical from "@tabler/icons-react/dist/esm/icons/IconGripVertical.mjs";
import Help from "@tabler/icons-react/dist/esm/icons/IconHelpCircle.mjs";
import History from "@tabler/icons-react/dist/esm/icons/IconHistory.mjs";
import Key from "@tabler/icons-react/dist/esm/icons/IconKey.mjs";
import Lock from "@tabler/icons-react/dist/esm/icons/IconLock.mjs";
import LockOpen from "@tabler/icons-react/dist/esm/icons/IconLockOpen.mjs";
import Logout from "@tabler/icons-react/dist/esm/icons/IconLogout.mjs";
import Minus from "@tabler/icons-react/dist/esm/icons/IconMinus.mjs";
import Moon from "@tabler/icons-react/dist/esm/icons/IconMoon.mjs";
import Pencil from "@tabler/icons-react/dist/esm/icons/IconPencil.mjs";
import Play from "@tabler/icons-react/dist/esm/icons/IconPlayerPlay.mjs";
import Plus from "@tabler/icons-react/dist/esm/icons/IconPlus.mjs";
import Refresh from "@tabler/icons-react/dist/esm/icons/IconRefresh.mjs";
import Route from "@tabler/icons-react/dist/esm/icons/IconRoute.mjs";
import Search from "@tabler/icons-react/dist/esm/icons/IconSearch.mjs";
import Stack from "@tabler/icons-react/dist/esm/icons/IconStack2.mjs";
import Sun from "@tabler/icons-react/dist/esm/icons/IconSun.mjs";
import Table from "@tabler/icons-react/dist/esm/icons/IconTable.mjs";
import Trash from "@tabler/icons-react/dist/esm/icons/IconTrash.mjs";
import User from "@tabler/icons-react/dist/esm/icons/IconUser.mjs";
import Users from "@tabler/icons-react/dist/esm/icons/IconUsers.mjs";
import World from "@tabler/icons-react/dist/esm/icons/IconWorld.mjs";
import X from "@tabler/icons-react/dist/esm/icons/IconX.mjs";

export type { Icon };
export {
  Activity, AlertTriangle, ArrowDown, ArrowUp, Bolt, Check, ChevronRight, Copy, Database, DotsVertical, Eye, Filter, GitBranch,
  GripVertical, Help, History, Key, Lock, LockOpen, Logout, Minus, Moon, Pencil, Play, Plus, Refresh, Route, Search, Stack, Sun, Table,
  Trash, User, Users, World, X,
};
